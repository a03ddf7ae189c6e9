// Package mm is the memory of a process: its mappings and the pages behind them.
package mm
