// Package conformance runs test programs that somebody else may have written on the host,
// which is the oracle, and in the sandbox on each platform, and shows where they differ.
//
// A Suite says how to find cases and how to run one (suite.go, and detect.go for
// directories and LTP's lists that come without a description). A case is one process; what
// it prints is read by a Format into results, one for each check that has a name of its
// own (format.go and the files beside it). A Runner runs every case natively and on each
// platform (run.go, runner.go). A Report holds all results and is written as a table, as
// JSON and as JUnit's XML (report.go, table.go, junit.go), and compared with an older one
// (compare.go).
//
// Neighbours: runsc/cli has the command `runsc conformance`; syscalls-tests holds our own
// suites.
package conformance
