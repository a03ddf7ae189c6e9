package conformance

import (
	"fmt"
	"time"
)

// Status is how one check ended.
type Status uint8

const (
	// Missing: nothing was heard of it. A process that dies takes the checks behind with it.
	Missing Status = iota
	Passed
	Skipped // the check itself found that it can't be made here (LTP's TCONF)
	Failed
	Broken  // the check could not be made as it should (LTP's TBROK), or its process can't be run
	Crashed // a signal ended the process
	TimedOut
)

var statusNames = [...]string{"missing", "passed", "skipped", "failed", "broken", "crashed", "timed out"}

func (s Status) String() string { return statusNames[s] }

// MarshalText implements encoding.TextMarshaler.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(b []byte) error {
	for i, name := range statusNames {
		if name == string(b) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no status", b)
}

// Outcome is how a check ended in one place.
type Outcome struct {
	Status Status `json:"status"`
	// Time is how long the process ran that made the check.
	Time time.Duration `json:"ns,omitempty"`
	// Note is what it said, if it did not pass.
	Note string `json:"note,omitempty"`
}

// Result is one check by name. The name is empty for a case that is one check.
type Result struct {
	Name string
	Outcome
}

// Exit is how a process ended.
type Exit struct {
	Code     int           // if it exited by itself
	Signal   string        // name of the signal that ended it, or empty
	TimedOut bool          // it was killed because its time was up
	Time     time.Duration // how long it ran
	Err      error         // why it could not be run
}

// outcome is what the end alone says.
func (e Exit) outcome() Outcome {
	o := Outcome{Time: e.Time}
	switch {
	case e.Err != nil:
		o.Status, o.Note = Broken, e.Err.Error()
	case e.TimedOut:
		o.Status, o.Note = TimedOut, fmt.Sprintf("did not end in %v", e.Time.Round(time.Millisecond))
	case e.Signal != "":
		o.Status, o.Note = Crashed, e.Signal
	case e.Code != 0:
		o.Status, o.Note = Failed, fmt.Sprintf("exit status %d", e.Code)
	default:
		o.Status = Passed
	}
	return o
}
