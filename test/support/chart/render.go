// Renders a chart's templates with the libraries that Helm renders with: text/template, sprig and sigs.k8s.io/yaml.
// Standard input: {"chart": folder, "values": all of them, "objects": {"Chart": …, "Release": …}}. Standard output: what
// each template gives, by its name.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type order struct {
	Chart   string                 `json:"chart"`
	Values  map[string]interface{} `json:"values"`
	Objects map[string]interface{} `json:"objects"`
}

func main() {
	var given order
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		fail(err)
	}
	rendered, err := render(given)
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(rendered); err != nil {
		fail(err)
	}
}

func render(given order) (map[string]string, error) {
	all := template.New("")
	// Helm fills in nothing for a value that is not there. An error here: whoever wrote the template did not mean that.
	all.Option("missingkey=error").Funcs(functions(all))
	files, err := filepath.Glob(filepath.Join(given.Chart, "templates", "*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if _, err := all.New(filepath.Base(file)).Parse(string(text)); err != nil {
			return nil, err
		}
	}
	scope := map[string]interface{}{"Values": given.Values}
	for name, object := range given.Objects {
		scope[name] = object
	}
	rendered := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		// Files with an underscore hold definitions and give nothing themselves.
		if strings.HasPrefix(name, "_") {
			continue
		}
		var out strings.Builder
		if err := all.ExecuteTemplate(&out, name, scope); err != nil {
			return nil, err
		}
		rendered[name] = out.String()
	}
	return rendered, nil
}

// Those of sprig that Helm leaves, and those of Helm's own that the chart uses.
func functions(all *template.Template) template.FuncMap {
	known := sprig.TxtFuncMap()
	delete(known, "env")
	delete(known, "expandenv")
	known["include"] = func(name string, scope interface{}) (string, error) {
		var out strings.Builder
		err := all.ExecuteTemplate(&out, name, scope)
		return out.String(), err
	}
	known["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	known["fail"] = func(message string) (string, error) {
		return "", errors.New(message)
	}
	return known
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
