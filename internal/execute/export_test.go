package execute

import "encoding/json"

// Decode gives arguments as records are made of them.
func Decode(args json.RawMessage) any {
	v, _ := decode(args)
	return v
}

// Redact gives what would be kept of arguments under a schema.
func Redact(keep Keep, args, schema json.RawMessage) json.RawMessage {
	return redact(keep, Decode(args), shapeOf(schema, 0))
}

// RedactDecoded is Redact without a schema.
func RedactDecoded(keep Keep, args any) json.RawMessage { return redact(keep, args, nil) }
