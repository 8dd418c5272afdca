// Package certificate has a certificate for the host "server", the same in every
// process: with another certificate, the bytes of a handshake would differ.
package certificate

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"sync"
	"time"
)

// Server returns the server's certificate, which it has signed itself.
var Server = sync.OnceValues(func() (tls.Certificate, error) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"server"},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
})

// ForServer returns the settings of a server that has the certificate.
func ForServer(protocols ...string) (*tls.Config, error) {
	own, err := Server()
	return &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: protocols}, err
}

// ForClient returns the settings of a client that trusts the server.
func ForClient(protocols ...string) (*tls.Config, error) {
	own, err := Server()
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(own.Leaf)
	return &tls.Config{RootCAs: roots, ServerName: "server", NextProtos: protocols}, nil
}
