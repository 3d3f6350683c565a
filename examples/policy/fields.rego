# Which fields may be sent. They stand in the declarations, so this is run over the YAML, not over the plan.
#
#   conftest test exports --policy examples/policy --namespace fields
package fields

import rego.v1

sendable := {"Email", "FirstName", "LastName", "Children"}

deny contains sprintf("%s sends %s, which is no field that may be sent", [input.metadata.name, field]) if {
	input.kind == "Export"
	some field, _ in input.spec.match
	not field in sendable
}
