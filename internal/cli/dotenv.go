package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/joho/godotenv"
)

// maxDotEnv bounds the .env file.
const maxDotEnv = 1 << 20

// dotEnvNames are the variables that a .env file may set: those of the guide's
// script and their Sluice names. Nothing else is taken from it: a folder that
// somebody else has filled should not steer the program.
var dotEnvNames = []string{
	envURL, envKey, envSDKURL, envSDKKey, "SLUICE_USER_ID", "USER_ID", "SLUICE_MODEL",
	"OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST",
}

// dotEnvPairs are addresses and the keys that are sent to them.
var dotEnvPairs = [][2]string{{envURL, envKey}, {envSDKURL, envSDKKey}, {"OPENAI_BASE_URL", "OPENAI_API_KEY"}}

// loadDotEnv puts the .env of the working directory below the environment, as
// the guide's script does. An address from the file never gets a key from the
// environment.
func (s *shared) loadDotEnv() error {
	values, err := readDotEnv(".env")
	if err != nil || len(values) == 0 {
		return err
	}
	environment := s.getenv
	for _, pair := range dotEnvPairs {
		address, key := pair[0], pair[1]
		if values[address] == "" || environment(address) != "" {
			continue
		}
		if environment(key) != "" || environment(key+"_FILE") != "" {
			return &exitCoded{exitUsage, fmt.Errorf(".env names %s, but %s comes from the environment\n"+
				"  A key is sent only where it belongs: put both into .env, or both into the environment", address, key)}
		}
	}
	s.urlFromFile = environment(envURL) == "" && values[envURL] != ""
	s.getenv = func(name string) string {
		if v := environment(name); v != "" {
			return v
		}
		return values[name]
	}
	return nil
}

// readDotEnv reads the names that count. A folder named .env, as Python's
// virtual environments have, is none.
func readDotEnv(name string) (map[string]string, error) {
	f, err := os.Open(name) // a fixed name in the working directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errors.New(".env in this folder cannot be opened; remove it or make it readable")
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, nil // not a file to read
	}
	all, err := godotenv.Parse(io.LimitReader(f, maxDotEnv))
	if err != nil { // the parser's error quotes the line, which may hold a key
		return nil, &exitCoded{exitUsage, errors.New(".env in this folder cannot be read: expected lines of the form NAME=value")}
	}
	values := map[string]string{}
	for _, name := range dotEnvNames {
		if all[name] != "" {
			values[name] = all[name]
		}
	}
	return values, nil
}
