package translate

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"unicode"
)

// maxRegexSize is the largest program, in instructions of RE2, that Envoy
// takes unless its runtime key re2.max_program_size.error_level says
// otherwise. For a larger one it refuses the whole table of routes.
const maxRegexSize = 100

// checkRegex tells whether Envoy takes an expression. Go's regexp is the same
// language as RE2, but Envoy has RE2 read single bytes, so that characters
// beyond ASCII would not mean what they say: they are refused.
func checkRegex(expression string) error {
	if expression == "" {
		return errors.New("the regular expression is empty")
	}
	if err := checkASCII(expression); err != nil {
		return err
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return fmt.Errorf("not a regular expression (RE2): %w", err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return fmt.Errorf("not a regular expression (RE2): %w", err)
	}
	if size := regexSize(program); size > maxRegexSize {
		return fmt.Errorf("the regular expression is too large: its program may have %d instructions, of which Envoy takes %d", size, maxRegexSize)
	}
	return nil
}

// checkASCII refuses characters beyond ASCII and the classes of Unicode.
func checkASCII(expression string) error {
	for i := 0; i < len(expression); i++ {
		if expression[i] > unicode.MaxASCII {
			return errors.New("the regular expression has characters beyond ASCII, which are not supported")
		}
		if expression[i] != '\\' || i+1 == len(expression) {
			continue
		}
		i++
		if expression[i] == 'p' || expression[i] == 'P' {
			return errors.New(`the regular expression has a class of Unicode (\p), which is not supported`)
		}
	}
	return nil
}

// regexSize is at least the size of RE2's program for single bytes. RE2 needs
// an instruction for each range of a class; measured with Envoy 1.40, which
// names the size when it refuses one, the rest differs by 2 at most.
func regexSize(program *syntax.Prog) int {
	const difference = 2
	size := difference
	for i := range program.Inst {
		ranges := 0
		for j := 0; j+1 < len(program.Inst[i].Rune); j += 2 {
			if program.Inst[i].Rune[j] <= unicode.MaxLatin1 {
				ranges++
			}
		}
		if program.Inst[i].Op == syntax.InstRuneAnyNotNL {
			ranges = 2 // What is before and what is after the newline.
		}
		size += max(1, ranges)
	}
	return size
}
