package v1alpha1

import (
	"fmt"
	"time"
)

// Duration is a length of time of one to four whole numbers of at most five
// digits, each with a unit: "500ms", "5s", "1m30s", "1h". There is no sign and
// no fraction, and zero is "0s". It is a string rather than a metav1.Duration
// because the latter writes 1500ms as "1.5s", which the schema refuses.
//
// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(h|m|s|ms)){1,4}$`
// +kubebuilder:validation:MaxLength=32
type Duration string

// Parse gives the time.Duration that d stands for.
func (d Duration) Parse() (time.Duration, error) {
	parsed, err := time.ParseDuration(string(d))
	if err != nil {
		return 0, fmt.Errorf("parse duration: %w", err)
	}
	return parsed, nil
}
