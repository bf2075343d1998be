package bundle

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
)

// CheckEncoding finds what crypto/x509 lets pass and BoringSSL does not: Envoy
// would refuse the whole bundle or chain for one such certificate, without
// naming it. The list was found by giving Envoy 1.40 certificates that are odd
// in many ways.
func CheckEncoding(c *x509.Certificate) error {
	outer, err := elements(c.Raw, "certificate", 3, 3)
	if err != nil {
		return err
	}
	return checkBody(c, outer[0].FullBytes)
}

// Tags of the optional fields of a certificate.
const (
	tagVersion    = 0
	tagExtensions = 3
)

// checkBody checks the part that is signed.
func checkBody(c *x509.Certificate, body []byte) error {
	const required, optional = 6, 4
	fields, err := elements(body, "body", required, required+optional)
	if err != nil {
		return err
	}
	if isOptional(&fields[0], tagVersion) {
		fields = fields[1:]
	}
	if len(fields) < required {
		return errors.New("fields are missing")
	}
	const issuer, validity, subject, key = 2, 3, 4, 5
	times, err := elements(fields[validity].FullBytes, "validity", 2, 2)
	if err != nil {
		return err
	}
	return errors.Join(checkTimes(times), checkKey(fields[key].FullBytes), checkAlgorithm(fields[1].FullBytes),
		checkName(fields[issuer].FullBytes), checkName(fields[subject].FullBytes), checkOptional(c, fields[required:]))
}

// checkOptional checks what comes after the key: the ids of issuer and subject,
// and the extensions.
func checkOptional(c *x509.Certificate, fields []asn1.RawValue) error {
	before := 0
	for i := range fields {
		field := &fields[i]
		if field.Class != asn1.ClassContextSpecific || field.Tag <= before || field.Tag > tagExtensions {
			return errors.New("something comes after the last field")
		}
		before = field.Tag
		if field.Tag != tagExtensions {
			continue
		}
		if c.Version != 3 {
			return fmt.Errorf("a certificate of version %d has extensions", c.Version)
		}
		if err := checkExtensions(field.Bytes); err != nil {
			return err
		}
	}
	return nil
}

func isOptional(v *asn1.RawValue, tag int) bool {
	return v.Class == asn1.ClassContextSpecific && v.Tag == tag
}

func checkExtensions(wrapped []byte) error {
	all, err := elements(wrapped, "extensions", 0, len(wrapped))
	if err != nil {
		return err
	}
	for i := range all {
		parts, err := elements(all[i].FullBytes, "extension", 2, 3)
		if err != nil {
			return err
		}
		if len(parts) == 3 && parts[1].Tag != asn1.TagBoolean {
			return errors.New("something comes after the value of an extension")
		}
	}
	return nil
}

// checkKey checks a public key and its algorithm.
func checkKey(key []byte) error {
	parts, err := elements(key, "public key", 2, 2)
	if err != nil {
		return err
	}
	return checkAlgorithm(parts[0].FullBytes)
}

// checkAlgorithm checks the name of an algorithm and its parameters.
func checkAlgorithm(algorithm []byte) error {
	parts, err := elements(algorithm, "name of an algorithm", 1, 2)
	if err != nil {
		return err
	}
	for i := range parts {
		if parts[i].Tag == asn1.TagOID && new(x509.OID).UnmarshalBinary(parts[i].Bytes) != nil {
			return errors.New("the name of an algorithm is no object identifier")
		}
	}
	return nil
}

// checkTimes asks for seconds.
func checkTimes(times []asn1.RawValue) error {
	const withoutSeconds = len("YYMMDDhhmmZ")
	for i := range times {
		if times[i].Tag == asn1.TagUTCTime && len(times[i].Bytes) <= withoutSeconds {
			return errors.New("a time without seconds")
		}
	}
	return nil
}

// checkName checks an issuer or subject.
func checkName(name []byte) error {
	sets, err := elements(name, "name", 0, len(name))
	if err != nil {
		return err
	}
	for i := range sets {
		attributes, err := elements(sets[i].FullBytes, "part of a name", 1, len(name))
		if err != nil {
			return err
		}
		for j := range attributes {
			attribute, err := elements(attributes[j].FullBytes, "part of a name", 2, 2)
			if err != nil {
				return err
			}
			if value := &attribute[1]; value.Tag == asn1.TagUTF8String && hasNonCharacter(string(value.Bytes)) {
				return errors.New("a name with a code that is no character in Unicode")
			}
		}
	}
	return nil
}

// hasNonCharacter finds what Unicode reserves for no character.
func hasNonCharacter(text string) bool {
	for _, r := range text {
		if r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe {
			return true
		}
	}
	return false
}

// elements are those of a SEQUENCE or SET, of which there must be at least
// fewest and at most most.
func elements(der []byte, what string, fewest, most int) ([]asn1.RawValue, error) {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(der, &outer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("something comes after the %s", what)
	}
	var found []asn1.RawValue
	for rest = outer.Bytes; len(rest) > 0; {
		var element asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &element); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		found = append(found, element)
	}
	switch {
	case len(found) < fewest:
		return nil, fmt.Errorf("the %s lacks a part", what)
	case len(found) > most:
		return nil, fmt.Errorf("the %s has a part too many", what)
	}
	return found, nil
}
