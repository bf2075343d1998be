package ir

// The enumerations print by name wherever they are formatted or marshalled, so
// that dumps and goldens can be read.

// MarshalText gives the name.
func (t MatchType) MarshalText() ([]byte, error) {
	return name(int(t), "Exact", "Prefix", "Regex"), nil
}

// MarshalText gives the name.
func (d Discovery) MarshalText() ([]byte, error) {
	return name(int(d), "EDS", "Static", "DNS"), nil
}

// MarshalText gives the name.
func (t SANType) MarshalText() ([]byte, error) {
	return name(int(t), "DNS", "URI"), nil
}

// MarshalText gives the name.
func (k SecretKind) MarshalText() ([]byte, error) {
	return name(int(k), "TrustBundle", "KeyPair"), nil
}

// MarshalText gives the name.
func (m BalanceMethod) MarshalText() ([]byte, error) {
	return name(int(m), "LeastRequest", "RoundRobin", "RingHash", "Maglev", "Random"), nil
}

func name(value int, names ...string) []byte {
	if value >= len(names) {
		return []byte("unknown")
	}
	return []byte(names[value])
}
