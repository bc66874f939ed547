"""Mutations that make no difference, each with the reason; whatever is not named here must be caught."""

import re
from typing import Final

from tests.isolation.plants import Administrator, Check, Policy, Scopes, Where

_NOT_GRANTED: Final = "no login whose policies say more than `true` has a grant on this table"
_OWN_ORGANIZATION: Final = "stands beside the caller's own organisation, whose id is in no other tenant"
_ONE_LEAD: Final = (
    "the rows of the lead under lock that a rule reads; nothing of them is shown, and writes name the partner"
)
_BY_LEAD: Final = "what is read is looked up by the leads that are shown; rows of other leads are dropped"
_OF_LEAD_FOUND: Final = (
    "looks up by an id that a row of the caller's own holds: program, calendar, organisation, playbook"
)
_ONE_TENANT: Final = "stands beside an id that Baton drew at random, in one tenant only, and that no twin can have"
_COMPOSITE: Final = "the whole key of a row that was read under lock; its id is unique in the tenant"

_EQUIVALENT: Final[tuple[tuple[str, str], ...]] = (
    (
        r"policy (lead\.partner|invitation\.(partner|internal))_update with check",
        "the columns that it reads are not granted to this login for UPDATE",
    ),
    (r"policy (contact|handover|ownership)\.sandbox_delete", "no login of the API has a grant to delete there"),
    (r"policies of (feed_counter|revoked_token|signing_key|permit|spent_assertion)$", _NOT_GRANTED),
    (
        r"where \(\$ or x\.organization_id = \$\)",
        "what a side without part in a stage reads: the playbook's, tests/reads",
    ),
    (r"where \(x\.organization_id = \$ or x\.lead_id = any", "what a side without part in a stage reads: the same"),
    (r"where .*e\.partner_id = \$\).*baton\.enrolment e", "the views leave other partners out once more"),
    (
        r"where .*id in \(\$, \$\).*id, name from baton\.organization",
        "names are looked up for decisions that are shown",
    ),
    (r"where .*l\.(partner|tenant)_id = \$\)?   after: …select l\.id from baton\.lead l", "`_READ` says it again"),
    (r"where b\.tenant_id = \$", _OF_LEAD_FOUND),
    (r"where p\.tenant_id = \$   after: …(ndar c on|t_id and f\.lead_id)", _OF_LEAD_FOUND),
    (
        r"where p\.tenant_id = \$   after: …select 1 from baton\.program",
        "takes a lock; what is read under it says it again",
    ),
    (r"where p\.tenant_id = \$   after: …_id and l\.writer_id", "stands beside the enrolment of the caller's partner"),
    (
        r"where [def]\.tenant_id = \$   after: .*baton\.(lane|endpoint|feed|delivery)|where d\.tenant_id",
        _OWN_ORGANIZATION,
    ),
    (r"where f\.tenant_id = \$", _OWN_ORGANIZATION),
    (r"where tenant_id = \$   after: .*from baton\.feed", _OWN_ORGANIZATION),
    (r"where o\.tenant_id = \$   after: .*as programs from baton\.organization", _OWN_ORGANIZATION),
    (r"where .*h\.(partner|tenant)_id = \$\)?   after: …nant_id and l\.id = h\.lead_id", _OWN_ORGANIZATION),
    (r"where k\.(lead|tenant)_id = ", _BY_LEAD),
    (r"where lead_id = any\(\$::uuid\[\]\)   after: …select \* from baton\.clock", _BY_LEAD),
    (r"where (lead|handover)_id = \$   after: …select (\*|id, accepted_at) from baton\.\w+", _ONE_LEAD),
    (r"where [fq]\.lead_id = \$", _ONE_LEAD),
    (
        r"where case when .*self_managed.* after: .*not_before end",
        "the row was found under lock by the same condition",
    ),
    (
        r"where client_id = \$   after: .*client_(secret|key)",
        "outer and inner statement name the client, each would do",
    ),
    (r"where tenant_id = \$   after: .*= \$$", _COMPOSITE),
    (
        r"where tenant_id = \$   after: .* as now from baton\.invitation",
        "the partner beside it was found within the tenant",
    ),
    (
        r"where tenant_id = \$   after: .*(updated_at = baton\.now\(\)|else not_before end|next_due_at = null|open_until = null)",
        "the id beside it was read under lock within the tenant",
    ),
    (
        r"where tenant_id = \$   after: .*baton\.(client|client_secret|client_key|calendar|organization|lane)$",
        _ONE_TENANT,
    ),
    (r"where tenant_id = \$   after: .*set expires_at = now\(\)", _ONE_TENANT),
    (r"where tenant_id = \$   after: .*baton\.(endpoint|activity|note)$", _OWN_ORGANIZATION),
    (
        r"where tenant_id = \$   after: .*baton\.(attempt|delivery|consultation|escalation|handover|handover_step|outcome)$",
        "the id beside it is of a row that was read within the tenant; a twin's rows decide nothing that is shown",
    ),
    (r"where [qv]\.tenant_id = \$", "the id beside it is in one tenant, or what is read after it says it again"),
    (r"where organization_id = \$   after: …st, coalesce", "the place before the first event: every feed begins at 1"),
    (r"where lane_id = \$   after: …select count", "counts what waits in a lane, to bound it; shows nothing"),
    (r"where partner_id = \$   after: .*= \$$", _COMPOSITE),
    (
        r"check app\.services\.intake:\d+ way is None",
        "who may post by the shipped playbook has a way to the partner; another playbook: tests/services/test_posting",
    ),
)
"""(pattern of the mutation's line, reason)."""


def reason(planted: Policy | Where | Scopes | Administrator | Check) -> str:
    """Return why a mutation cannot make a difference, empty where it must be caught."""
    line = str(planted)
    return next((why for pattern, why in _EQUIVALENT if re.search(pattern, line)), "")
