"""Resource Groups Tagging API: what becomes of each member of a request (see __init__.py)."""

# Has its effect, or is checked.
EXECUTED = """
GetResourcesInput: PaginationToken TagFilters ResourcesPerPage ResourceTypeFilters ResourceARNList
TagFilter: Key Values
GetTagValuesInput: Key
"""

# Answers NotImplemented and is named, before the operation is looked at.
REFUSED = """
GetResourcesInput: TagsPerPage IncludeComplianceDetails ExcludeCompliantResources
"""

# Refused by the operation itself: in AWS's words, or after something else.
REFUSED_BY_OPERATION = """
"""

# Kept and shown again, and nothing else: why, and which.
RECORDED = (
    (
        "all keys, and all values, are one page",
        """
        GetTagKeysInput: PaginationToken
        GetTagValuesInput: PaginationToken
        """,
    ),
)
