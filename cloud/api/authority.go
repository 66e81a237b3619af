package api

import "encoding/pem"

// showAuthority answers with the certificate that clients have to trust for
// HTTPS: as a file that phones and desktops open, or with format=pem as text.
func (s *Server) showAuthority(q *request) (any, error) {
	text, err := s.authority(false)
	if err != nil {
		return nil, err
	}
	if q.args.text("format") == "pem" {
		return pemText(text), nil
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errInternal
	}
	q.w.Header().Set("Content-Disposition", `attachment; filename="localcloud-ca.crt"`)
	return certificate(block.Bytes), nil
}

// TrustHelp says where the certificate of a cloud's authority has to go.
const TrustHelp = `Who trusts this certificate can speak HTTPS with this cloud, by any of its names and as api.particle.io.
Download it in a browser: /v1/localcloud/ca, as text: /v1/localcloud/ca?format=pem, or on the server: localcloud https ca --out ca.pem

Node.js, Node-RED, particle-cli   NODE_EXTRA_CA_CERTS=ca.pem in the environment
curl                              curl --cacert ca.pem
Python requests                   REQUESTS_CA_BUNDLE=ca.pem in the environment
Debian, Ubuntu, Raspberry Pi OS   copy it to /usr/local/share/ca-certificates/localcloud.crt, then run update-ca-certificates
macOS                             open it, and set it to Always Trust in Keychain Access
Windows                           open it, and install it into Trusted Root Certification Authorities
Android                           Settings, Security, Encryption and credentials, Install a certificate, CA certificate
iPhone, iPad                      open it, install the profile in Settings, then switch it on under General, About, Certificate Trust Settings
Firefox                           Settings, Privacy and Security, View Certificates, Authorities, Import

Whoever has its key, ca-key.pem in the cloud's data directory, can pose as any server to those who trust it.
Trust it on your own machines alone.
`

// showTrustHelp answers with where the certificate has to go.
func (s *Server) showTrustHelp(*request) (any, error) { return rawText(TrustHelp), nil }

// makeAuthority makes the authority if there is none.
func (s *Server) makeAuthority(*request) (any, error) {
	text, err := s.authority(true)
	return pemText(text), err
}

func (s *Server) authority(make bool) ([]byte, error) {
	if s.Authority == nil {
		return nil, plain(501, "This cloud has no certificate authority")
	}
	s.settingUp.Lock() // two requests do not make two of them
	defer s.settingUp.Unlock()
	return s.Authority(make)
}
