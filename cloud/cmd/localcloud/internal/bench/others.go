package bench

import (
	"runtime"
	"time"
)

// others is what the machine did beside us. Times mean little when it was much.
type others struct {
	began time.Time
	cloud *Cloud // that was given; nil: the servers are children of ours
	busy  time.Duration
	known bool
}

func (r *run) watchOthers() others {
	o := others{began: time.Now(), cloud: r.Cloud}
	o.busy, o.known = o.now()
	return o
}

// now returns how long processors were busy with what is not ours. Of our
// children only those count that have ended.
func (o *others) now() (time.Duration, bool) {
	busy, ok := machineCPU()
	busy -= ownCPU() + childrenCPU()
	if o.cloud != nil {
		server, err := o.cloud.usage()
		ok = ok && err == nil
		busy -= server.CPU
	}
	return busy, ok
}

// addOthers records it for the scenario that ran, whose servers have ended.
func (r *run) addOthers(o others) {
	now, ok := o.now()
	if !ok || !o.known {
		return
	}
	all := time.Since(o.began) * time.Duration(runtime.NumCPU())
	r.add("used by others meanwhile", max(0, 100*float64(now-o.busy)/float64(all)), "% of all cores", aim("<=", 10))
}
