// Package boot makes a sentry out of its parts: it is what the process `runsc boot`
// runs once it has given up its rights.
//
//	Run      sets up kernel and file systems, serves the control socket, and returns when
//	         the first process has ended (boot.go)
//	Config   says what to run; the CLI makes it (config.go)
//
// The process opens no host path: everything comes as descriptors (Config.FDs) or from
// the gofer.
//
// Lock order: sandbox.mu is a leaf.
package boot
