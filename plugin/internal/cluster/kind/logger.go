package kind

import (
	"fmt"
	"strings"
	"unicode"

	"sigs.k8s.io/kind/pkg/log"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
)

// detailLogger shows what kind says as details of the running step.
type detailLogger struct{ steps *cluster.Steps }

var _ log.Logger = detailLogger{}

// Warn implements log.Logger.
func (l detailLogger) Warn(message string) { l.steps.Detail(detail(message)) }

// Warnf implements log.Logger.
func (l detailLogger) Warnf(format string, args ...any) { l.Warn(fmt.Sprintf(format, args...)) }

// Error implements log.Logger.
func (l detailLogger) Error(message string) { l.Warn(message) }

// Errorf implements log.Logger.
func (l detailLogger) Errorf(format string, args ...any) { l.Warn(fmt.Sprintf(format, args...)) }

// V implements log.Logger: what is meant for persons, and no more.
func (l detailLogger) V(level log.Level) log.InfoLogger {
	if level > 0 {
		return log.NoopInfoLogger{}
	}
	return detailInfo(l)
}

type detailInfo detailLogger

// Info implements log.InfoLogger.
func (l detailInfo) Info(message string) {
	if text := detail(message); text != "" {
		l.steps.Detail(text)
	}
}

// Infof implements log.InfoLogger.
func (l detailInfo) Infof(format string, args ...any) { l.Info(fmt.Sprintf(format, args...)) }

// Enabled implements log.InfoLogger.
func (detailInfo) Enabled() bool { return true }

// detail is the words of a line of kind's, without its bullets and pictures.
// What begins is told, what has ended is not.
func detail(line string) string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "✓") {
		return ""
	}
	line = strings.Map(func(r rune) rune {
		if r > unicode.MaxLatin1 && !unicode.IsLetter(r) {
			return -1
		}
		return r
	}, line)
	line = strings.Join(strings.Fields(strings.TrimSuffix(line, "...")), " ")
	if first, rest, found := strings.Cut(line, " "); found && !strings.Contains(first, "_") {
		return strings.ToLower(first) + " " + rest
	}
	return line
}

// quiet is the logger of commands without steps.
type quiet struct{ log.NoopLogger }
