// Command load puts TCP servers on the loopback under load, and is such a server itself. The suite
// servers.toml runs it.
//
//	load serve ADDR          an HTTP server until its standard input ends
//	load get N C ADDR        N requests by C clients that keep their connections
//	load hold N ADDR         N connections at a time, each used twice
//	load sequence N ADDR     N connections one after the other
//	load echo ADDR           the server for hold and sequence: sends back what it reads
//
// Everything is checked: an answer that is wrong, missing or late ends the program with status 1.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// deadline is how long anything may take.
const deadline = 60 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: load serve|echo ADDR | load get N CLIENTS ADDR | load hold|sequence N ADDR")

func run(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	address := args[len(args)-1]
	var numbers []int
	for _, a := range args[1 : len(args)-1] {
		n, err := strconv.Atoi(a)
		if err != nil || n <= 0 {
			return errUsage
		}
		numbers = append(numbers, n)
	}
	switch {
	case args[0] == "serve" && len(numbers) == 0:
		return serve(address)
	case args[0] == "echo" && len(numbers) == 0:
		return echo(address)
	case args[0] == "get" && len(numbers) == 2:
		return get(numbers[0], numbers[1], address)
	case args[0] == "hold" && len(numbers) == 1:
		return hold(numbers[0], address)
	case args[0] == "sequence" && len(numbers) == 1:
		return sequence(numbers[0], address)
	}
	return errUsage
}

// body is what the HTTP server answers with.
var body = bytes.Repeat([]byte("0123456789abcdef"), 256)

func serve(address string) error {
	s := &http.Server{Addr: address, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		s.Close()
	}()
	if err := s.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func get(n, clients int, address string) error {
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	return each(clients, func(i int) error {
		for range n / clients {
			r, err := client.Get("http://" + address + "/")
			if err != nil {
				return err
			}
			got, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil {
				return err
			}
			if r.StatusCode != http.StatusOK || !bytes.Equal(got, body) {
				return fmt.Errorf("status %s, %d bytes", r.Status, len(got))
			}
		}
		return nil
	})
}

// each runs f for 0 to n-1 at the same time and returns one of their errors.
func each(n int, f func(i int) error) error {
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		wg.Go(func() { errs <- f(i) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func echo(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		l.Close()
	}()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			// Not by splice(2), which would take two more descriptors.
			io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
		}()
	}
}

// exchange sends a line with number i and expects it back.
func exchange(c net.Conn, r *bufio.Reader, i int) error {
	line := fmt.Sprintf("line %d\n", i)
	if _, err := io.WriteString(c, line); err != nil {
		return err
	}
	got, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	if got != line {
		return fmt.Errorf("sent %q, got back %q", line, got)
	}
	return nil
}

func dial(address string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", address, deadline)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(deadline))
	}
	return c, err
}

func hold(n int, address string) error {
	conns := make([]net.Conn, n)
	readers := make([]*bufio.Reader, n)
	for i := range conns {
		c, err := dial(address)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		defer c.Close()
		conns[i], readers[i] = c, bufio.NewReaderSize(c, 64)
		if err := exchange(c, readers[i], i); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	// All are open now; each must still be its own.
	for i := range conns {
		if err := exchange(conns[i], readers[i], n+i); err != nil {
			return fmt.Errorf("connection %d of %d open ones: %w", i, n, err)
		}
	}
	return nil
}

func sequence(n int, address string) error {
	for i := range n {
		c, err := dial(address)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if err := exchange(c, bufio.NewReaderSize(c, 64), i); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		c.Close()
	}
	return nil
}
