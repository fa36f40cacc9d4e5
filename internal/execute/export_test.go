package execute

import "encoding/json"

// Redact gives what would be kept of arguments under a schema.
func Redact(keep Keep, args, schema json.RawMessage) json.RawMessage {
	v, _ := decode(args)
	return redact(keep, v, shapeOf(schema, 0))
}
