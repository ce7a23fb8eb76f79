"""Jobs that deploy approved settings and watch them."""

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys

deploy = dg.define_asset_job(
    names.DEPLOY_JOB,
    selection=dg.AssetSelection.assets(keys.DEPLOYMENT),
    description="Deploys approved settings.",
)

watch_deployment = dg.define_asset_job(
    names.WATCH_JOB,
    selection=dg.AssetSelection.assets(keys.DEPLOYMENT_WATCH),
    description="Observes the newest deployment once.",
)
