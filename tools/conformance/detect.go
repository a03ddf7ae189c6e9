package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Open returns the suites that an argument stands for: a suite file (its name ends in .toml), a
// directory of programs, or a list in LTP's runtest format.
func Open(arg string) ([]*Suite, error) {
	st, err := os.Stat(arg)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return openDir(arg)
	}
	if strings.HasSuffix(arg, ".toml") {
		s, err := Load(arg)
		if err != nil {
			return nil, err
		}
		return []*Suite{s}, nil
	}
	s, err := openList(arg)
	if found, _ := s.programs(); err == nil && found == 0 {
		err = errors.New("none of the programs that it names is there")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: neither a suite file (.toml) nor a list in LTP's format: %w", arg, err)
	}
	return []*Suite{s}, nil
}

// openDir makes suites of what is in a directory: its suite files, or else each program and each
// list.
func openDir(dir string) ([]*Suite, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var suites, found []*Suite
	for _, f := range files {
		file := filepath.Join(dir, f.Name())
		switch st, err := os.Stat(file); {
		case err != nil || !st.Mode().IsRegular():
		case strings.HasSuffix(file, ".toml"):
			s, err := Load(file)
			if err != nil {
				return nil, err
			}
			suites = append(suites, s)
		case executable(file):
			s, err := openProgram(file)
			if err != nil {
				return nil, err
			}
			found = append(found, s)
		default:
			s, err := openList(file)
			if err != nil {
				continue
			}
			if there, all := s.programs(); there == all {
				found = append(found, s)
			}
		}
	}
	if suites == nil {
		suites = found
	}
	if suites == nil {
		return nil, fmt.Errorf("%s: holds no suite file, no program and no list in LTP's format", dir)
	}
	return suites, nil
}

// openProgram makes a suite of a program. What it speaks is found by what it contains, not by
// running it.
func openProgram(file string) (*Suite, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, filepath.Base(file))
	s := &Suite{Name: filepath.Base(file), dir: dir}
	switch {
	case bytes.Contains(b, []byte("gtest_list_tests")):
		s.About = "googletest"
		s.List, s.ListFormat = []string{program, "--gtest_list_tests"}, "gtest"
		s.Run, s.Format = []string{program, "--gtest_filter={case}"}, "gtest"
	case bytes.Contains(b, []byte("test.testlogfile")) && bytes.Contains(b, []byte("test.list")):
		s.About = "Go tests"
		s.List, s.ListFormat = []string{program, "-test.list=."}, "go"
		s.Run, s.Format = []string{program, "-test.v", "-test.run=^{case}$"}, "go"
	default:
		s.Glob = program
		if bytes.Contains(b, []byte("TPASS")) && bytes.Contains(b, []byte("TBROK")) {
			s.Format = "ltp"
		}
	}
	return s, s.check()
}

// openList makes a suite of a list in LTP's runtest format. Its programs are looked for beside it,
// and in ../testcases/bin, where LTP installs them.
func openList(file string) (*Suite, error) {
	const tooLong = 1 << 20
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(b) > tooLong || !utf8.Valid(b) {
		return nil, fmt.Errorf("not a text")
	}
	cases, err := parseLTPList(string(b))
	if err != nil {
		return nil, err
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("it lists nothing")
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	s := &Suite{
		Name: filepath.Base(file), About: "LTP list", dir: dir, LTP: filepath.Join(dir, filepath.Base(file)),
		Path: []string{".", "../testcases/bin"}, Env: []string{"LTPROOT=" + filepath.Dir(dir)},
	}
	return s, s.check()
}

// programs counts the cases of a list whose program is there, and all.
func (s *Suite) programs() (there, all int) {
	if s == nil {
		return 0, 0
	}
	cases, err := s.find()
	if err != nil {
		return 0, 0
	}
	for _, c := range cases {
		program := strings.Fields(c.Command[len(c.Command)-1])[0]
		_, err := exec.LookPath(program)
		if err == nil || slices.ContainsFunc(s.Path, func(p string) bool { return executable(filepath.Join(s.abs(p), program)) }) {
			there++
		}
	}
	return there, len(cases)
}
