package verify

import (
	corev1 "k8s.io/api/core/v1"
)

// nearestPort is the port name that was most likely meant; empty if the
// Service has no named port.
func nearestPort(name string, service *corev1.Service) string {
	best, bestDistance := "", 0
	for _, port := range service.Spec.Ports {
		if port.Name == "" {
			continue
		}
		if d := distance(name, port.Name); best == "" || d < bestDistance {
			best, bestDistance = port.Name, d
		}
	}
	return best
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
