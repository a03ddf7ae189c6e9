// Package syscallstests probes the Linux ABI: cases/*.c are guest programs, each case
// named for the behaviour it checks, and the tests here run every one on the host
// first and then in the sandbox. cases/case.h says how a case is written.
package syscallstests
