package emulator

// TB is what For asks of a test or benchmark: testing.TB has it.
type TB interface {
	Helper()
	Cleanup(stop func())
	Error(args ...any)
	Fatal(args ...any)
}

// For gives a server that was started to one test, with which it ends: emulator.For(t)(emulator.StartMoto(t.Context())). A server that did not
// start ends the test.
func For(t TB) func(*Server, error) *Server {
	t.Helper()
	return func(s *Server, err error) *Server {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
}
