package session

import (
	"slices"
	"testing"
	"testing/synctest"

	"localcloud/cloud"
	"localcloud/coap"
)

func TestDescribeIsKeptInTheRecord(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		s.online(theID)
		r, _ := s.registry.Device(theID)
		want := map[string]string{"on": "bool", "count": "int32", "temp": "double", "name": "string", "odd": "type 7"}
		if !slices.Equal(r.Functions, theApp.Functions) || len(r.Variables) != len(want) {
			t.Fatalf("record %+v", r)
		}
		modules := []cloud.Module{
			{Function: "system", Index: 1, Version: 3302}, {Function: "user", Index: 1, Version: 6, Place: "factory", Damaged: true},
		}
		if !slices.Equal(r.Modules, modules) {
			t.Errorf("modules are %+v, want %+v", r.Modules, modules)
		}
		for name, kind := range want {
			if r.Variables[name] != kind {
				t.Errorf("variable %s is a %q, want %q", name, r.Variables[name], kind)
			}
		}
	})
}

func TestOldCoreHasPlatformZeroAndNoVersion(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.connect(theID).listen()
		p.send(coap.HelloMessage(coap.NonConfirmable, p.nextID(), helloCoreOldest.Append(nil)))
		synctest.Wait()
		if r, _ := s.registry.Device(theID); r.PlatformID != 0 || r.SystemVersion != "" {
			t.Errorf("record %+v", r)
		}
	})
}

func TestRegistryIsWrittenForWhatChangesOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		writes := func(want int64, why string) {
			t.Helper()
			synctest.Wait()
			if got := s.registry.writes.Swap(0); got != want {
				t.Errorf("%d writes for %s, want %d", got, why, want)
			}
		}
		writes(3, "Hello, the application and the modules of the system")

		for range 500 {
			p.send(eventFrom(p.nextID(), coap.Confirmable, "temp", "21"), coap.Ping(p.nextID()))
		}
		writes(0, "500 events and pings")
		p.send(coap.DescribePost(p.nextID(), nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)))
		p.send(coap.DescribePost(p.nextID(), nil, coap.DescribeMetrics, -1, coap.AppendMetrics(nil, nil)))
		writes(0, "a describe that says the same, and vitals")
		for range 10 {
			p.send(eventFrom(p.nextID(), coap.NonConfirmable, "spark/device/safemode", ""))
		}
		writes(1, "ten times safe mode")
		if r, _ := s.registry.Device(theID); !r.SafeMode {
			t.Error("safe mode is not in the record")
		}
		for range 10 {
			p.hello()
		}
		writes(1, "ten times Hello, of which the first ends safe mode")
		p.conn.Close()
		writes(1, "the end")
	})
}

func TestVitalsTellWhatTheBoardItselfRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		tell := func(metrics coap.Metrics, want uint64) {
			t.Helper()
			p.send(coap.DescribePost(p.nextID(), nil, coap.DescribeMetrics, -1, coap.AppendMetrics(nil, metrics)))
			synctest.Wait()
			if got := s.hub.Status(theID).Throttled; got != want {
				t.Errorf("throttled %d, want %d", got, want)
			}
		}
		tell(coap.Metrics{{ID: 6, Value: 1}, {ID: 20, Value: 17}}, 17)
		tell(coap.Metrics{{ID: 20, Value: 4000000000}}, 4000000000)
	})
}
