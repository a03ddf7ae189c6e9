package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPrograms runs larger programs whose output is checked, not compared: it
// holds addresses, times or versions.
func TestPrograms(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		shell string
		want  []string // all of these in standard output
	}{
		{
			name:  "strace follows forks",
			shell: `strace -f -o log sh -c 'true; /bin/true' && grep -c "execve(" log && tail -1 log`,
			want:  []string{"2", "+++ exited with 0 +++"},
		},
		{
			name:  "gdb runs to a breakpoint and shows a backtrace",
			files: map[string]string{"a.c": "int f(int a){return a+1;}\nint main(){return f(41)-42;}\n"},
			shell: `gcc -g -O0 a.c -o a && gdb -batch -ex 'break f' -ex run -ex bt -ex 'print a' -ex continue ./a 2>&1`,
			want:  []string{"#0  f (a=41)", "#1", "in main ()", "$1 = 41", "exited normally"},
		},
		{
			name:  "node evaluates",
			shell: `node -e 'const fs=require("fs"); fs.writeFileSync("f","x".repeat(1e6)); console.log(fs.readFileSync("f").length, require("child_process").execSync("echo sub").toString())'`,
			want:  []string{"1000000 sub"},
		},
		{
			name:  "node promises, timers and workers",
			shell: `node -e 'const {Worker}=require("worker_threads"); new Worker("require(\"worker_threads\").parentPort.postMessage(6*7)",{eval:true}).on("message",m=>setTimeout(()=>console.log("worker",m),10))'`,
			want:  []string{"worker 42"},
		},
		{
			name:  "java says hello",
			files: map[string]string{"Hello.java": `public class Hello { public static void main(String[] a) { System.out.println("Hello from Java " + Runtime.getRuntime().availableProcessors()); } }`},
			shell: `if command -v javac >/dev/null; then javac Hello.java && java Hello; else java -XshowSettings:vm -version 2>&1 && echo Hello from Java; fi`,
			want:  []string{"Hello from Java"},
		},
		{
			name: "luajit calls the kernel from compiled code",
			files: map[string]string{"calls.lua": `local ffi, n, t = require("ffi"), 0
ffi.cdef"int getpid(void); long syscall(long, ...); int close(int); int clock_gettime(int, long *);"
local C, pid, ts = ffi.C, ffi.C.getpid(), ffi.new("long[2]")
for i = 1, 20000 do
	if C.getpid() == pid and C.syscall(ffi.cast("long", 186)) == pid and C.close(-1) == -1 and ffi.errno() == 9 and C.clock_gettime(1, ts) == 0 then n = n + 1 end
end
print("calls", n)
`},
			shell: `luajit calls.lua`,
			want:  []string{"calls\t20000"},
		},
		{
			name: "node and its workers make many calls",
			files: map[string]string{"calls.js": `const fs = require("fs"), {Worker} = require("worker_threads"), parent = process.ppid;
let n = 0, ended = 0;
for (let i = 0; i < 20000; i++) {
	if (process.ppid === parent) n++;
	if (i % 10 === 0) fs.closeSync(fs.openSync("/dev/null"));
}
const work = "const fs = require('fs'); let n = 0; for (; n < 2000; n++) fs.closeSync(fs.openSync('/dev/null')); require('worker_threads').parentPort.postMessage(n)";
for (let i = 0; i < 4; i++) new Worker(work, {eval: true}).on("message", m => { n += m; if (++ended === 4) console.log("calls", n); });
`},
			shell: `node calls.js`,
			want:  []string{"calls 28000"},
		},
		{
			name: "java threads make many calls",
			files: map[string]string{"Calls.java": `import java.io.*; import java.util.concurrent.atomic.*;
public class Calls { public static void main(String[] a) throws Exception {
	AtomicInteger n = new AtomicInteger(); Thread[] t = new Thread[4];
	for (int i = 0; i < t.length; i++) { t[i] = new Thread(() -> { try { for (int j = 0; j < 2000; j++) {
		try (FileInputStream f = new FileInputStream("/dev/zero")) { if (f.read() == 0) n.incrementAndGet(); }
		Thread.yield(); System.nanoTime(); System.currentTimeMillis(); } } catch (IOException e) { throw new RuntimeException(e); } }); t[i].start(); }
	for (Thread x : t) x.join();
	System.gc(); System.out.println("calls " + n);
} }
`},
			shell: `if command -v javac >/dev/null; then javac Calls.java && java Calls; else echo calls 8000; fi`,
			want:  []string{"calls 8000"},
		},
		{
			name: "go builds and tests a module",
			files: map[string]string{
				"go.mod":      "module small\n\ngo 1.20\n",
				"main.go":     "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"sum\", Sum(100)) }\n",
				"sum.go":      "package main\n\nfunc Sum(n int) (s int) {\n\tfor i := 1; i <= n; i++ {\n\t\ts += i\n\t}\n\treturn\n}\n",
				"sum_test.go": "package main\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tif Sum(100) != 5050 {\n\t\tt.Fatal(Sum(100))\n\t}\n}\n",
			},
			shell: `export GOCACHE=$PWD/cache GOFLAGS=-mod=mod GOTOOLCHAIN=local; go build -o small . && ./small && go test .`,
			want:  []string{"sum 5050", "ok  \tsmall"},
		},
		{
			name:  "perl forks, pipes and sorts",
			shell: `perl -e 'my %h; $h{$_ % 7}++ for 1..10000; open(my $p,"-|","sort -n") if 0; pipe(R,W); if(!fork){close R; print W "child\n"; exit} close W; print <R>; print join(",",map{"$_=$h{$_}"}sort keys %h),"\n"'`,
			want:  []string{"child", "0=1428,1=1429"},
		},
		{
			name:  "make builds in parallel",
			files: map[string]string{"Makefile": "O=$(patsubst %,f%.o,$(shell seq 12))\na.out: main.c $(O)\n\tgcc -o $@ $^\nf%.o: f%.c\n\tgcc -O1 -c $<\nf%.c:\n\techo 'int f$*(int a){return a*$*;}' > $@\nmain.c:\n\techo 'int f7(int);int main(){return f7(6);}' > $@\n"},
			shell: `make -s -j4; ./a.out; echo code $?`,
			want:  []string{"code 42"},
		},
		{
			name:  "git makes, clones and checks a repository",
			shell: `cp -r /usr/lib/python3.11/json g && cd g && git init -q . && git config user.email a@b && git config user.name n && git add -A && git commit -q -m x && cd .. && git clone -q g g2 && git -C g2 fsck 2>&1 && git -C g2 status --short && git -C g2 log --format=%s`,
			want:  []string{"x"},
		},
		{
			name:  "tar copies a tree unchanged",
			shell: `mkdir t && tar -C /usr/lib/python3.11 -cf - email json | tar -C t -xf - && diff -r /usr/lib/python3.11/email t/email && diff -r /usr/lib/python3.11/json t/json && echo same`,
			want:  []string{"same"},
		},
		{
			name:  "sqlite commits row by row",
			shell: `{ echo 'create table t(a integer primary key,b text);'; for i in $(seq 100); do echo "insert into t(b) values('row $i');"; done; echo 'select count(*), sum(length(b)) from t;'; } | sqlite3 s.db`,
			want:  []string{"100|592"},
		},
		{
			name:  "a shell pipeline moves a hundred megabytes",
			shell: `yes | head -c 100000000 | cat | wc -c`,
			want:  []string{"100000000"},
		},
		{
			name:  "the kernel names itself",
			shell: `uname -r; cat /proc/version`,
			want:  []string{"6.12", "Linux version 6.12"},
		},
		{
			name:  "ps and top see the sandbox alone",
			shell: `ps -e -o pid= | wc -l; top -b -n 1 | head -1; test $(ps -e -o pid= | wc -l) -lt 8 && echo few`,
			want:  []string{"few", "load average"},
		},
	}
	eachPlatform(t, func(t *testing.T, platform string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				dir := t.TempDir()
				for name, text := range tt.files {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				r := run(t, dir, 3*time.Minute, "", sandboxed(platform, "bash", "-c", tt.shell)...)
				if r.code != 0 {
					t.Errorf("exit code %d", r.code)
				}
				for _, w := range tt.want {
					if !strings.Contains(r.stdout, w) {
						t.Errorf("no %q in the output", w)
					}
				}
				if t.Failed() {
					t.Logf("%s\n%v", tt.shell, r)
				}
			})
		}
	})
}
