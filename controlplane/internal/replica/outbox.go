package replica

import (
	"sync"

	"github.com/go-logr/logr"
)

// outbox has the report of this replica as it shall be written.
type outbox struct {
	log logr.Logger
	// changed receives a value when there is something to write.
	changed chan struct{}

	mu      sync.Mutex
	encoded string
}

// set encodes a report, and signals when it is another.
func (b *outbox) set(r Report) {
	text, err := r.encode()
	if err != nil {
		b.log.Error(err, "could not report what the proxies of this replica have answered")
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if text != b.encoded {
		b.encoded = text
		signal(b.changed)
	}
}

func (b *outbox) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.encoded
}

// signal leaves a value in a channel that has room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
