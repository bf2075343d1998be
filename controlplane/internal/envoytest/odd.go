package envoytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"maps"
	"testing"
)

// OddCertificates are trust anchors, PEM encoded, by what is odd about them:
// keys, versions, numbers, times, names and extensions that are rare, forbidden
// or broken, and on which parsers may differ. Their signatures are not good,
// which nobody asks of an anchor.
func OddCertificates(tb testing.TB) map[string][]byte {
	tb.Helper()
	changes := oddFields()
	maps.Copy(changes, oddKeys(tb))
	maps.Copy(changes, oddNames())
	maps.Copy(changes, oddExtensions())
	odd := make(map[string][]byte, len(changes))
	for name, change := range changes {
		certificate := plainAnchor(tb, name)
		change(certificate)
		odd[name] = encode("CERTIFICATE", certificate.der())
	}
	return odd
}

// oddCertificate is a certificate in the parts of its encoding.
type oddCertificate struct {
	version, serial, algorithm, issuer, validity, subject, key, ids, extensions []byte
	outerAlgorithm, signature, after                                            []byte
}

func (c *oddCertificate) der() []byte {
	tbs := tlv(tagSequence, c.version, c.serial, c.algorithm, c.issuer, c.validity, c.subject, c.key, c.ids, c.extensions)
	return tlv(tagSequence, tbs, c.outerAlgorithm, c.signature, c.after)
}

// Tags of DER.
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagBits        = 0x03
	tagOctets      = 0x04
	tagUTF8        = 0x0c
	tagPrintable   = 0x13
	tagT61         = 0x14
	tagIA5         = 0x16
	tagUTCTime     = 0x17
	tagTime        = 0x18
	tagUniversal   = 0x1c
	tagBMP         = 0x1e
	tagSequence    = 0x30
	tagSet         = 0x31
	tagVersion     = 0xa0
	tagIssuerID    = 0x81
	tagExtensions  = 0xa3
	oidCommonName  = "2.5.4.3"
	oidECDSASHA256 = "1.2.840.10045.4.3.2"
	oidPublicEC    = "1.2.840.10045.2.1"
	oidPublicRSA   = "1.2.840.113549.1.1.1"
)

// tlv encodes a tag, the length of the parts, and them.
func tlv(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	out := []byte{tag}
	switch n := len(content); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n)) //nolint:gosec // No certificate is that long.
	}
	return append(out, content...)
}

func oid(dotted string) []byte {
	id, err := x509.ParseOID(dotted)
	if err != nil {
		return nil
	}
	encoded, err := id.MarshalBinary()
	if err != nil {
		return nil
	}
	return tlv(0x06, encoded)
}

func nameOf(tag byte, value string) []byte {
	return tlv(tagSequence, tlv(tagSet, tlv(tagSequence, oid(oidCommonName), tlv(tag, []byte(value)))))
}

func times(tag byte, before, after string) []byte {
	return tlv(tagSequence, tlv(tag, []byte(before)), tlv(tag, []byte(after)))
}

func extension(id string, critical, value []byte) []byte {
	return tlv(tagSequence, oid(id), critical, tlv(tagOctets, value))
}

func extensions(all ...[]byte) []byte { return tlv(tagExtensions, tlv(tagSequence, all...)) }

func isCA() []byte {
	return extension("2.5.29.19", tlv(tagBoolean, []byte{0xff}), tlv(tagSequence, tlv(tagBoolean, []byte{0xff})))
}

func plainAnchor(tb testing.TB, name string) *oddCertificate {
	tb.Helper()
	key, err := x509.MarshalPKIXPublicKey(newKey(tb).Public())
	if err != nil {
		tb.Fatalf("encode a key: %v", err)
	}
	algorithm := tlv(tagSequence, oid(oidECDSASHA256))
	return &oddCertificate{
		version: tlv(tagVersion, tlv(tagInteger, []byte{2})), serial: tlv(tagInteger, []byte{1}),
		algorithm: algorithm, issuer: nameOf(tagUTF8, name), subject: nameOf(tagUTF8, name),
		validity: times(tagUTCTime, "200101000000Z", "491231235959Z"), key: key, extensions: extensions(isCA()),
		outerAlgorithm: algorithm, signature: tlv(tagBits, []byte{0}, tlv(tagSequence, tlv(tagInteger, []byte{1}), tlv(tagInteger, []byte{1}))),
	}
}

// keyInfo is a SubjectPublicKeyInfo.
func keyInfo(algorithm []byte, key ...[]byte) []byte {
	return tlv(tagSequence, algorithm, tlv(tagBits, append([][]byte{{0}}, key...)...))
}

// rsaKey has a modulus of so many bits, which is not the product of primes.
func rsaKey(bits int, last byte, exponent ...byte) []byte {
	modulus := bytes.Repeat([]byte{0xa5}, bits/8)
	modulus[len(modulus)-1] = last
	null := tlv(0x05)
	return keyInfo(tlv(tagSequence, oid(oidPublicRSA), null),
		tlv(tagSequence, tlv(tagInteger, []byte{0}, modulus), tlv(tagInteger, exponent)))
}

func oddKeys(tb testing.TB) map[string]func(*oddCertificate) {
	tb.Helper()
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		tb.Fatalf("make a key: %v", err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatalf("make a key: %v", err)
	}
	keys := map[string][]byte{
		"RSA of 512 bits": rsaKey(512, 0xa5, 1, 0, 1), "RSA of 1024 bits": rsaKey(1024, 0xa5, 1, 0, 1),
		"RSA of 16384 bits": rsaKey(16384, 0xa5, 1, 0, 1), "RSA of an even modulus": rsaKey(2048, 0xa4, 1, 0, 1),
		"RSA of exponent 1": rsaKey(2048, 0xa5, 1), "RSA of exponent 2": rsaKey(2048, 0xa5, 2), "RSA of exponent 3": rsaKey(2048, 0xa5, 3),
		"RSA of a long exponent":            rsaKey(2048, 0xa5, 1, 0, 0, 0, 0, 0, 1),
		"an RSA key cut short":              keyInfo(tlv(tagSequence, oid(oidPublicRSA), tlv(0x05)), []byte{tagSequence, 0x10}),
		"RSA for PSS":                       keyInfo(tlv(tagSequence, oid("1.2.840.113549.1.1.10")), tlv(tagSequence)),
		"a key of X25519":                   keyInfo(tlv(tagSequence, oid("1.3.101.110")), bytes.Repeat([]byte{9}, 32)),
		"more after a key":                  tlv(tagSequence, tlv(tagSequence, oid("1.2.3.4")), tlv(tagBits, []byte{0, 1}), tlv(0x05)),
		"more after the algorithm of a key": keyInfo(tlv(tagSequence, oid("1.2.3.4"), tlv(0x05), tlv(0x05)), []byte("key")),
		"an unknown key":                    keyInfo(tlv(tagSequence, oid("1.2.3.4")), []byte("key")),
		"a curve of Bitcoin":                keyInfo(tlv(tagSequence, oid(oidPublicEC), oid("1.3.132.0.10")), append([]byte{4}, bytes.Repeat([]byte{7}, 64)...)),
		"a point off its curve":             keyInfo(tlv(tagSequence, oid(oidPublicEC), oid("1.2.840.10045.3.1.7")), append([]byte{4}, bytes.Repeat([]byte{7}, 64)...)),
		"a DSA key": keyInfo(tlv(tagSequence, oid("1.2.840.10040.4.1"),
			tlv(tagSequence, tlv(tagInteger, []byte{23}), tlv(tagInteger, []byte{11}), tlv(tagInteger, []byte{2}))), tlv(tagInteger, []byte{8})),
	}
	for name, key := range map[string]any{"a key on P-224": p224.Public(), "a key of Ed25519": edwards} {
		if keys[name], err = x509.MarshalPKIXPublicKey(key); err != nil {
			tb.Fatalf("encode a key: %v", err)
		}
	}
	changes := map[string]func(*oddCertificate){}
	for name, key := range keys {
		changes[name] = func(c *oddCertificate) { c.key = key }
	}
	return changes
}

func oddFields() map[string]func(*oddCertificate) {
	serial := func(content ...byte) func(*oddCertificate) {
		return func(c *oddCertificate) { c.serial = tlv(tagInteger, content) }
	}
	validity := func(tag byte, before, after string) func(*oddCertificate) {
		return func(c *oddCertificate) { c.validity = times(tag, before, after) }
	}
	version := func(n byte, extended bool) func(*oddCertificate) {
		return func(c *oddCertificate) {
			c.version = tlv(tagVersion, tlv(tagInteger, []byte{n}))
			if !extended {
				c.extensions = nil
			}
		}
	}
	algorithm := func(inner, outer []byte) func(*oddCertificate) {
		return func(c *oddCertificate) { c.algorithm, c.outerAlgorithm = inner, outer }
	}
	md5, unknown := tlv(tagSequence, oid("1.2.840.113549.1.1.4"), tlv(0x05)), tlv(tagSequence, oid("1.2.3.4"))
	more := tlv(tagSequence, oid("1.2.840.113549.1.1.4"), tlv(0x05), tlv(0x05))
	return map[string]func(*oddCertificate){
		"version 1":                        func(c *oddCertificate) { c.version, c.extensions = nil, nil },
		"version 1 spelled out":            version(0, false),
		"version 1 with extensions":        func(c *oddCertificate) { c.version = nil },
		"version 2":                        version(1, false),
		"version 2 with extensions":        version(1, true),
		"version 4":                        version(3, true),
		"a negative serial":                serial(0xff),
		"serial zero":                      serial(0),
		"a serial of 40 bytes":             serial(bytes.Repeat([]byte{1}, 40)...),
		"a serial with leading zeroes":     serial(0, 0, 1),
		"the serial empty":                 serial(),
		"a time without seconds":           validity(tagUTCTime, "2001010000Z", "4912312359Z"),
		"a time with an offset":            validity(tagUTCTime, "200101000000+0100", "491231235959+0100"),
		"a time with fractions":            validity(tagTime, "20200101000000.5Z", "20491231235959.5Z"),
		"a general time before 2050":       validity(tagTime, "20200101000000Z", "20491231235959Z"),
		"a time without end":               validity(tagTime, "20200101000000Z", "99991231235959Z"),
		"year 0":                           validity(tagTime, "00000101000000Z", "20491231235959Z"),
		"the 30th of February":             validity(tagUTCTime, "200230000000Z", "491231235959Z"),
		"a leap second":                    validity(tagUTCTime, "161231235960Z", "491231235959Z"),
		"an end before the beginning":      validity(tagUTCTime, "480101000000Z", "200101000000Z"),
		"signed with MD5":                  algorithm(md5, md5),
		"signed somehow":                   algorithm(unknown, unknown),
		"more after a signature algorithm": algorithm(more, more),
		"two signature algorithms":         algorithm(md5, unknown),
		"an id of the issuer":              func(c *oddCertificate) { c.ids = tlv(tagIssuerID, []byte{0, 1}) },
		"something after the end":          func(c *oddCertificate) { c.after = tlv(0x05) },
		"a signature of odd bits":          func(c *oddCertificate) { c.signature = tlv(tagBits, []byte{3, 0xff}) },
		"an empty signature":               func(c *oddCertificate) { c.signature = tlv(tagBits, []byte{0}) },
		"time after the times": func(c *oddCertificate) {
			t := tlv(tagUTCTime, []byte("200101000000Z"))
			c.validity = tlv(tagSequence, t, tlv(tagUTCTime, []byte("491231235959Z")), t)
		},
		"extensions after the extensions": func(c *oddCertificate) { c.extensions = append(c.extensions, extensions(isCA())...) },
	}
}

func oddNames() map[string]func(*oddCertificate) {
	names := map[string][]byte{
		"no name":               tlv(tagSequence),
		"a name in T.61":        nameOf(tagT61, "caf\xe9"),
		"a name in BMP":         nameOf(tagBMP, "\x00c\x00a"),
		"a name in halved BMP":  nameOf(tagBMP, "\x00c\x00"),
		"a surrogate in BMP":    nameOf(tagBMP, "\xd8\x00\x00a"),
		"a terminator in BMP":   nameOf(tagBMP, "\x00c\x00\x00"),
		"a name in UCS-4":       nameOf(tagUniversal, "\x00\x00\x00c"),
		"an asterisk printable": nameOf(tagPrintable, "*.example.com"),
		"an at sign printable":  nameOf(tagPrintable, "a@example.com"),
		"Latin-1 in IA5":        nameOf(tagIA5, "caf\xe9"),
		"Latin-1 in UTF-8":      nameOf(tagUTF8, "caf\xe9"),
		"a zero in UTF-8":       nameOf(tagUTF8, "a\x00b"),
		"no character in UTF-8": nameOf(tagUTF8, "a\uffff\ufdd0"),
		"beyond BMP in UTF-8":   nameOf(tagUTF8, "a\U0001F600"),
		"the name empty":        nameOf(tagUTF8, ""),
		"a name of 4 KB":        nameOf(tagUTF8, string(bytes.Repeat([]byte("a"), 4096))),
		"a number for a name":   nameOf(tagInteger, "\x01"),
		"a name of octets":      nameOf(tagOctets, "abc"),
		"an empty set":          tlv(tagSequence, tlv(tagSet)),
		"more after a name": tlv(tagSequence, tlv(tagSet, tlv(tagSequence,
			oid(oidCommonName), tlv(tagUTF8, []byte("a")), tlv(tagUTF8, []byte("b"))))),
		"two names in a set, unsorted": tlv(tagSequence, tlv(tagSet,
			tlv(tagSequence, oid(oidCommonName), tlv(tagUTF8, []byte("b"))),
			tlv(tagSequence, oid(oidCommonName), tlv(tagUTF8, []byte("a"))))),
	}
	changes := map[string]func(*oddCertificate){}
	for name, encoded := range names {
		changes[name] = func(c *oddCertificate) { c.issuer, c.subject = encoded, encoded }
	}
	return changes
}

func oddExtensions() map[string]func(*oddCertificate) {
	const basicConstraints, keyUsage, altName, constraints = "2.5.29.19", "2.5.29.15", "2.5.29.17", "2.5.29.30"
	yes, no := tlv(tagBoolean, []byte{0xff}), tlv(tagBoolean, []byte{0})
	unknown := func(critical []byte) []byte { return extension("1.2.3.4.5", critical, tlv(0x05)) }
	sets := map[string][]byte{
		"no extension":                  extensions(),
		"no basic constraints":          extensions(unknown(nil)),
		"a leaf":                        extensions(extension(basicConstraints, yes, tlv(tagSequence))),
		"an unknown critical extension": extensions(isCA(), unknown(yes)),
		"an extension twice":            extensions(isCA(), isCA()),
		"not critical, spelled out":     extensions(isCA(), unknown(no)),
		"critical by another number":    extensions(isCA(), unknown(tlv(tagBoolean, []byte{1}))),
		"an empty extension":            extensions(isCA(), extension("1.2.3.4.5", nil, nil)),
		"broken basic constraints":      extensions(extension(basicConstraints, yes, []byte{1, 2, 3})),
		"a negative path length":        extensions(extension(basicConstraints, yes, tlv(tagSequence, yes, tlv(tagInteger, []byte{0xff})))),
		"a path length of a leaf":       extensions(extension(basicConstraints, yes, tlv(tagSequence, tlv(tagInteger, []byte{0})))),
		"a key usage of nothing":        extensions(isCA(), extension(keyUsage, yes, tlv(tagBits, []byte{0}))),
		"a broken key usage":            extensions(isCA(), extension(keyUsage, yes, []byte("x"))),
		"a broken alternative name":     extensions(isCA(), extension(altName, nil, []byte("x"))),
		"no alternative name":           extensions(isCA(), extension(altName, nil, tlv(tagSequence))),
		"an address of three bytes":     extensions(isCA(), extension(altName, nil, tlv(tagSequence, tlv(0x87, []byte{1, 2, 3})))),
		"a URI with a space":            extensions(isCA(), extension(altName, nil, tlv(tagSequence, tlv(0x86, []byte("http://a b/"))))),
		"broken name constraints":       extensions(isCA(), extension(constraints, yes, []byte{1})),
		"no name constraints":           extensions(isCA(), extension(constraints, yes, tlv(tagSequence))),
		"a policy twice":                extensions(isCA(), extension("2.5.29.32", nil, tlv(tagSequence, tlv(tagSequence, oid("1.2.3")), tlv(tagSequence, oid("1.2.3"))))),
		"a broken authority key id":     extensions(isCA(), extension("2.5.29.35", nil, []byte("x"))),
		"a broken subject key id":       extensions(isCA(), extension("2.5.29.14", nil, []byte("x"))),
		"a key usage of a server":       extensions(isCA(), extension("2.5.29.37", yes, tlv(tagSequence, oid("1.3.6.1.5.5.7.3.1")))),
		"an extended key usage of none": extensions(isCA(), extension("2.5.29.37", yes, tlv(tagSequence))),
		"stapling demanded":             extensions(isCA(), extension("1.3.6.1.5.5.7.1.24", nil, tlv(tagSequence, tlv(tagInteger, []byte{5})))),
		"an extension after its value":  extensions(isCA(), tlv(tagSequence, oid("1.2.3.4.5"), tlv(tagOctets, nil), tlv(0x05))),
	}
	changes := map[string]func(*oddCertificate){}
	for name, encoded := range sets {
		changes[name] = func(c *oddCertificate) { c.extensions = encoded }
	}
	return changes
}
