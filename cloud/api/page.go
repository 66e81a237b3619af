package api

import (
	"localcloud/cloud"
)

const (
	perPage    = 25
	maxPerPage = 1000
)

// pageAsked is which part of a long list is wanted.
type pageAsked struct{ number, size int64 }

// pageArgument reads it: page, counted from 1, and per_page.
func pageArgument(a *args) pageAsked {
	return pageAsked{
		number: max(a.number("page", 1), 1),
		size:   min(max(a.number("per_page", a.number("perPage", perPage)), 1), maxPerPage),
	}
}

// pageMeta says how long the whole list is.
type pageMeta struct {
	Pages   int64 `json:"total_pages"` // at least 1
	Records int   `json:"total_records"`
}

// pageOf cuts the page out of a list; one beyond the end is empty.
func pageOf[T any](p pageAsked, all []T) ([]T, pageMeta) {
	n := int64(len(all))
	pages := max((n+p.size-1)/p.size, 1)
	from := min((min(p.number, pages+1)-1)*p.size, n)
	return all[from:min(from+p.size, n)], pageMeta{pages, len(all)}
}

// deviceRow is what a list of many devices shows of each.
type deviceRow struct {
	ID                    string        `json:"id"`
	Name                  *string       `json:"name"`
	Owner                 *string       `json:"owner"`
	LastHeard             stamp         `json:"last_heard"`
	PlatformID            *int          `json:"platform_id"`
	Online                bool          `json:"online"`
	Notes                 *string       `json:"notes"`
	Status                string        `json:"status"`
	SystemFirmwareVersion *string       `json:"system_firmware_version"`
	Signal                *float64      `json:"signal"` // quality of its radio in percent, as its vitals said last
	Limits                *deviceLimits `json:"limits"` // null: nothing was counted
}

// vitalSignal is the figure of the vitals that deviceRow has.
const vitalSignal = "network.signal.quality"

func (s *Server) deviceRow(d cloud.Device) deviceRow {
	now := s.Hub.Status(d.ID)
	row := deviceRow{
		ID: d.ID.String(), Name: orNull(d.Name), Owner: orNull(s.userName(d.Owner)), Notes: orNull(d.Notes), Online: now.Online,
		LastHeard: stamp(later(now.LastHeard, d.LastHeard)), Status: "normal", SystemFirmwareVersion: orNull(d.SystemVersion),
	}
	if d.PlatformID >= 0 {
		row.PlatformID = &d.PlatformID
	}
	if d.SafeMode {
		row.Status = "safe_mode"
	}
	if limits := limitsOf(now); limits != (deviceLimits{}) {
		row.Limits = &limits
	}
	if signal, ok := s.Hub.Vital(d.ID, vitalSignal); ok {
		row.Signal = &signal
	}
	return row
}

// listDevicePage answers with one page of all devices, in full or with brief as rows of a list.
func (s *Server) listDevicePage(q *request) (any, error) {
	a := &q.args
	p, brief := pageArgument(a), a.flag("brief", false)
	want, after := deviceFilter(a), dateArgument(a, "connected_after")
	if a.err != nil {
		return nil, a.err
	}
	now := s.Hub.Clock().Now() // before the look, so that who asks from then on misses nobody
	all := s.chosen(func(d cloud.Device) bool {
		return (after.IsZero() || d.LastHandshake.After(after)) && q.access.Sees(d) && want(d)
	})
	s.sortDevices(all, a.text("sortAttr"), a.text("sortDir"))
	some, meta := pageOf(p, all)
	list, serverKeys := make([]any, 0, len(some)), s.serverKeysNow()
	for _, d := range some {
		if brief {
			list = append(list, s.deviceRow(d))
		} else {
			list = append(list, s.adminDeviceAmong(d, serverKeys))
		}
	}
	return map[string]any{"devices": list, "meta": meta, "time": stamp(now)}, nil
}
