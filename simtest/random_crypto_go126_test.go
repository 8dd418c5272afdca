//go:build go1.26

package simtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tap is a connection that records the bytes written to it.
type tap struct {
	net.Conn
	written *bytes.Buffer
}

func (c tap) Write(b []byte) (int, error) {
	c.written.Write(b)
	return c.Conn.Write(b)
}

// handshake creates a key and a certificate, sends one line over TLS, and returns the
// bytes that client and server wrote.
func handshake(t *testing.T, version uint16) (client, server []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"poet"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certificate)

	var sent, answered bytes.Buffer
	a, b := net.Pipe()
	c := tls.Client(tap{a, &sent}, &tls.Config{ServerName: "poet", RootCAs: roots, MaxVersion: version})
	s := tls.Server(tap{b, &answered}, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	var serving sync.WaitGroup
	serving.Go(func() {
		_, err := io.Copy(s, s)
		assert.NoError(t, err)
		assert.NoError(t, s.Close())
	})
	_, err = io.WriteString(c, "a line")
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, len("a line")))
	require.NoError(t, err)
	require.NoError(t, c.CloseWrite())
	_, err = io.Copy(io.Discard, c)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	serving.Wait()
	return sent.Bytes(), answered.Bytes()
}

// A key, a certificate and both sides of a TLS connection repeat for a seed.
func TestSeedCrypto(t *testing.T) {
	needSeeding(t)
	run := func(version uint16, seed uint64) (client, server []byte) {
		require.NoError(t, bubble(t, nil, func(t *testing.T) {
			require.True(t, seedProcess(t, seed))
			client, server = handshake(t, version)
		}))
		return client, server
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		seen := make(map[string]bool)
		for seed := range uint64(3) {
			client, server := run(version, seed)
			for range 10 {
				againClient, againServer := run(version, seed)
				require.Equal(t, client, againClient)
				require.Equal(t, server, againServer)
			}
			seen[string(client)], seen[string(server)] = true, true
		}
		assert.Len(t, seen, 2*3)
	}
}

// needSeeding skips a test where seedCrypto is not possible.
func needSeeding(t *testing.T) {
	if fips140.Version() == "v1.0.0" {
		t.Skip("this version of the Go Cryptographic Module cannot be seeded")
	}
}

// draw reads from the process's randomness.
func draw(t *testing.T) string {
	b := make([]byte, 16)
	_, err := io.ReadFull(rand.Reader, b)
	require.NoError(t, err)
	return string(b)
}

// When the bubble has ended, the randomness is random again, and the test may
// still become parallel.
func TestSeedCryptoEnds(t *testing.T) {
	before := rand.Reader
	var first, after string
	for range 2 {
		require.NoError(t, bubble(t, nil, func(t *testing.T) {
			seedProcess(t, 7)
			first = draw(t)
		}))
		assert.NotEqual(t, after, draw(t))
		after = draw(t)
		assert.NotEqual(t, first, after)
		assert.Equal(t, before, rand.Reader)
	}
	assert.NotPanics(t, t.Parallel)
}

// A custom reader is restored afterwards.
func TestSeedCryptoAmongOthers(t *testing.T) {
	needSeeding(t)
	defer func(r io.Reader) { rand.Reader = r }(rand.Reader)
	mine := bytes.NewReader(make([]byte, 100))
	rand.Reader = mine
	var drawn []string
	for range 2 {
		require.NoError(t, bubble(t, nil, func(t *testing.T) {
			seedProcess(t, 7)
			drawn = append(drawn, draw(t))
		}))
		assert.Same(t, mine, rand.Reader)
	}
	assert.Equal(t, drawn[0], drawn[1])
	assert.Equal(t, 100, mine.Len())
}

// In a parallel test, and in its subtests, randomness is left alone.
func TestSeedCryptoInAParallelTest(t *testing.T) {
	t.Parallel()
	t.Run("subtest", func(t *testing.T) {
		require.NoError(t, bubble(t, nil, func(t *testing.T) {
			assert.False(t, seedProcess(t, 7))
			first := draw(t)
			assert.False(t, seedProcess(t, 7))
			assert.NotEqual(t, first, draw(t))
		}))
	})
}
