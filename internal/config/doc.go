// Package config holds the one configuration struct of the program and reads
// it from its sources, later ones winning: defaults, the YAML file, the
// environment (SLUICE_*), flags. The CLI sets fields for flags after Load and
// before Validate; Validate notices and names the flag as the source.
//
// Subsystems do not take a Config: app gives each what it needs.
package config
