// Command runsc runs programs and OCI containers in a sandbox with a kernel of its own.
package main

import (
	"os"

	"ringfence/runsc/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
