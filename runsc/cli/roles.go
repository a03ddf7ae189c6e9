package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ringfence/runsc/gofer"
	"ringfence/runsc/jail"
	"ringfence/sentry/boot"
)

// configFD is where package sandbox puts a role's configuration.
const configFD = 3

func (g *globals) goferCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "gofer",
		Short:  "Open files for a sandbox (internal)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := gofer.Run(os.NewFile(configFD, "config")); err != nil {
				return fmt.Errorf("gofer: %w", err)
			}
			return nil
		},
	}
}

func (g *globals) bootCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "boot",
		Short:  "Be the kernel of a sandbox (internal)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := boot.ReadConfig(os.NewFile(configFD, "config"))
			if err != nil {
				return err
			}
			// From here on no host path can be opened.
			if err := jail.EmptyRoot(false); err != nil {
				return err
			}
			if err := jail.KeepCapabilities(); err != nil {
				return err
			}
			return boot.Run(c)
		},
	}
}

// cloexec keeps the descriptors that this process was given, but for the standard ones, from
// those that it starts.
func cloexec() {
	unix.CloseRange(configFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
}
