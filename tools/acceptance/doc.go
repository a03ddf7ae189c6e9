// Package acceptance runs real programs in the sandbox and on the host and
// compares. It holds tests only; they run the built binary as a user would.
//
// The binary is built by TestMain, or named by the variable RUNSC. PLATFORMS lists the
// platforms to test, by default all that are built in.
package acceptance
