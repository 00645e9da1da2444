package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"time"
)

func main() {
	mode, url, ca, crt, key, token := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	pem, _ := os.ReadFile(ca)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(crt, key)
	if err != nil {
		panic(err)
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, ClientSessionCache: tls.NewLRUClientSessionCache(4)}, ForceAttemptHTTP2: mode == "h2"}
	c := &http.Client{Transport: t}
	for _, wait := range []time.Duration{0, 11, 0} {
		time.Sleep(wait * time.Second)
		req, _ := http.NewRequest("GET", url, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		reused, resumed := false, "-"
		trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
			TLSHandshakeDone: func(s tls.ConnectionState, _ error) { resumed = fmt.Sprint(s.DidResume) }}
		r, err := c.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		if err != nil {
			fmt.Println("error", err)
			continue
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		why := "-"
		if i := strings.Index(string(b), "\"reasons\""); i >= 0 {
			why = string(b)[i:]
		}
		fmt.Println(r.Proto, r.StatusCode, "reused", reused, "resumed", resumed, why)
	}
}
