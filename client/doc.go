// Package client is the Go client of drystone.
package client
