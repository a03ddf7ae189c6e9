// Package acceptance runs real programs in the sandbox and on the host and
// compares. It holds tests only; they run the built binary as a user would.
package acceptance
