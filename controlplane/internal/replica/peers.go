package replica

import (
	"maps"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
)

// peers are the reports of the other replicas, as a watch brings them. It is
// the watch's event handler.
type peers struct {
	// own is the name of this replica's report.
	own     string
	log     logr.Logger
	changed chan struct{}
	synced  chan struct{}

	mu sync.Mutex
	// beats counts the beats of this replica that have come back.
	beats   int
	ownBeat string
	known   map[string]peer
}

// peer is the report of another replica.
type peer struct {
	text   string
	report Report
	// seen is the value of beats when it changed last.
	seen int
	dead bool
}

// alive are the reports that have not expired, by the names of the replicas.
func (p *peers) alive() []Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	var alive []Report
	for _, name := range slices.Sorted(maps.Keys(p.known)) {
		if known := p.known[name]; !known.dead {
			alive = append(alive, known.report)
		}
	}
	return alive
}

// OnAdd takes in a report.
func (p *peers) OnAdd(added any, _ bool) { p.take(added) }

// OnUpdate takes in a report that was written again.
func (p *peers) OnUpdate(before, after any) {
	old, isOld := before.(*corev1.ConfigMap)
	current, isCurrent := after.(*corev1.ConfigMap)
	if isOld && isCurrent && old.ResourceVersion == current.ResourceVersion {
		return
	}
	p.take(after)
}

// OnDelete forgets the report of a replica that is gone.
func (p *peers) OnDelete(deleted any) {
	name, err := toolscache.DeletionHandlingObjectToName(deleted)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, found := p.known[name.Name]; found {
		delete(p.known, name.Name)
		if !known.dead {
			signal(p.changed)
		}
	}
}

func (p *peers) take(object any) {
	written, ok := object.(*corev1.ConfigMap)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if written.Name == p.own {
		if beat := written.Annotations[beatAnnotation]; beat != p.ownBeat {
			p.ownBeat = beat
			p.beats++
			p.expire()
		}
		return
	}
	before, found := p.known[written.Name]
	now := peer{text: written.Data[reportKey], report: before.report, seen: p.beats}
	if !found || now.text != before.text {
		var err error
		if now.report, err = decode(now.text); err != nil {
			p.log.Error(err, "cannot read what another replica reports", "configMap", written.Name)
			now.report = Report{}
		}
	}
	p.known[written.Name] = now
	if !found || before.dead || now.text != before.text {
		signal(p.changed)
	}
}

// expire finds the reports of replicas that are gone without a word.
func (p *peers) expire() {
	for name, known := range p.known {
		if known.dead || p.beats-known.seen < expiry {
			continue
		}
		known.dead = true
		p.known[name] = known
		p.log.Info("another replica does not report any more, what its proxies have answered counts no more", "configMap", name)
		signal(p.changed)
	}
}
