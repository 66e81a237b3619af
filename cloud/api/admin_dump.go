package api

// dumpRegistry answers with all that the registry holds, packed, for a backup. Passwords and tokens in it are hashes.
func (s *Server) dumpRegistry(*request) (any, error) {
	if s.Dump == nil {
		return nil, errNotYet
	}
	b, err := s.Dump()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"registry": b}, nil // base64 in JSON
}
