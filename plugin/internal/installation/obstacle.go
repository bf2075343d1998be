package installation

import (
	"fmt"
	"slices"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// obstacle is one thing that stands in the way.
type obstacle struct {
	message string
	details []string
	fix     string
}

func obstacleOf(err error) obstacle {
	failure := fail.As(err)
	return obstacle{message: failure.Error(), details: failure.Details, fix: failure.Fix}
}

// refuse is one error for all obstacles; nil where there are none.
func refuse(what string, obstacles []obstacle) error {
	if len(obstacles) == 0 {
		return nil
	}
	if len(obstacles) == 1 {
		o := obstacles[0]
		return &fail.Error{Code: fail.CodeFailed, Err: fmt.Errorf("%s", o.message), Details: o.details, Fix: o.fix, Outcome: Unchanged}
	}
	failure := fail.Failed("%d things stand in the way of %s", len(obstacles), what).WithOutcome(Unchanged)
	var fixes []string
	for _, o := range obstacles {
		failure.Details = append(failure.Details, "- "+o.message)
		for _, detail := range o.details {
			failure.Details = append(failure.Details, "  "+detail)
		}
		// One fix may be for several obstacles.
		if o.fix != "" && !slices.Contains(fixes, o.fix) {
			fixes = append(fixes, o.fix)
			for i, line := range fail.Lines(o.fix, fail.Width-9) {
				failure.Details = append(failure.Details, "  "+[]string{"fix: ", "     "}[min(i, 1)]+line)
			}
		}
	}
	return failure
}
