// SPDX-License-Identifier: MIT

// dashboards_grafana FILE: is the JSON a dashboard in the eyes of Grafana's own types? Strictly: a field that they do not know is a fault.
// The type of a panel tells which types its options and its fields' custom settings have; a target's is that of the data source.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func check(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// What it returns is never nil, but a list, of no faults; and what is read so is not whole, so it is read twice.
	if err := (&dashboard.Dashboard{}).UnmarshalJSONStrict(raw); err.Error() != "" {
		return err
	}
	board := dashboard.Dashboard{}
	if err := json.Unmarshal(raw, &board); err != nil {
		return err
	}
	if err := board.Validate(); err != nil {
		return err
	}
	for _, p := range board.Panels {
		if _, opaque := p.Panel.Options.(map[string]any); opaque || p.Panel.Options == nil {
			return fmt.Errorf("%s: no types for the options of %s", *p.Panel.Title, p.Panel.Type)
		}
		fmt.Printf("%s: %s, %T, %T\n", *p.Panel.Title, p.Panel.Type, p.Panel.Options, p.Panel.Targets[0])
	}
	return nil
}

func main() {
	plugins.RegisterDefaultPlugins()
	if err := check(os.Args[1]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
