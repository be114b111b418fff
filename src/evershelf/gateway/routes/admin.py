"""The operator's API: everything under /v1/admin, for keys with the scope `admin`."""

from fastapi import APIRouter, Depends

from evershelf.contracts.keys import Scope
from evershelf.gateway.auth import require
from evershelf.gateway.routes import (
    admin_catalog,
    admin_decisions,
    admin_drills,
    admin_models,
    admin_operation,
    admin_placements,
    admin_rollout,
    admin_series,
)

router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=[Depends(require(Scope.ADMIN))])
for part in (
    admin_series, admin_decisions, admin_models, admin_rollout, admin_catalog, admin_placements, admin_drills,
    admin_operation,
):  # fmt: skip
    router.include_router(part.router)
