# What a plan may do in this organisation, beyond the rules that reconciler has by itself.
#
#   reconciler plan --output json > plan.json
#   conftest test plan.json --policy examples/policy
#   opa eval --data examples/policy --input plan.json --format pretty data.main.deny
package main

import rego.v1

# Nobody may take more people off their lists in one run than this.
most_removals := 500

# The connections that data may go to at all.
connections := {"autopilot-newsletter"}

# The rules that `--allow` may let pass. Take one out, and nobody can.
waivable := {"updates"}

deny contains sprintf("%s would take %d people off its lists, and %d are allowed", [export.name, leave, most_removals]) if {
	some export in input.exports
	leave := export.profiles.leave
	leave > most_removals
}

deny contains sprintf("%s is no connection that data may go to", [connection.name]) if {
	some connection in input.connections
	not connection.name in connections
}

deny contains sprintf("%s: the rule %s may not be let pass", [export.name, waiver.rule]) if {
	some export in input.exports
	some waiver in export.allowed
	not waiver.rule in waivable
}

warn contains sprintf("%s leaves out %d people without consent", [export.name, left]) if {
	some export in input.exports
	left := export.excluded.no_consent
	left > export.profiles.desired
}
