"""Registry of configs in MLflow.

A version for each fingerprint; aliases `champion`, `previous`, `challenger`.
"""

from typing import Any, Final

from forex_assets.operations.tracking.connection import Connection

FINGERPRINT: Final = "forex.fingerprint"


class ConfigRegistry(Connection):
    """Registers settings that were proposed or deployed.

    Methods raise TrackingError where the store cannot be used now.
    """

    def deployed(self, model: str, fingerprint: str, config: str, run_id: str) -> None:
        """Registers deployed settings as `champion`, the ones before as `previous`.

        Args:
            model: `usdclp-7d`.
            fingerprint: of the settings; known settings keep their version.
            config: the settings, JSON.
            run_id: run of the deployment.
        """
        with self.client() as client:
            version = self._version(client, model, fingerprint, config, run_id)
            aliases = {name: str(number) for name, number in client.get_registered_model(model).aliases.items()}
            before = aliases.get("champion")
            if before == version:
                return
            if before is not None:
                client.set_registered_model_alias(model, "previous", before)
            client.set_registered_model_alias(model, "champion", version)
            if aliases.get("challenger") == version:
                client.delete_registered_model_alias(model, "challenger")

    def challenged(self, model: str, fingerprint: str, config: str, run_id: str) -> None:
        """Registers settings proposed by a search as `challenger`."""
        with self.client() as client:
            version = self._version(client, model, fingerprint, config, run_id)
            client.set_registered_model_alias(model, "challenger", version)

    def aliases(self, model: str) -> dict[str, str]:
        """Returns fingerprints by alias."""
        with self.client() as client:
            if not client.search_registered_models(f"name = '{model}'"):
                return {}
            named = dict(client.get_registered_model(model).aliases)
            return {alias: client.get_model_version(model, number).tags[FINGERPRINT] for alias, number in named.items()}

    def _version(self, client: Any, model: str, fingerprint: str, config: str, run_id: str) -> str:
        if not client.search_registered_models(f"name = '{model}'"):
            client.create_registered_model(model, description="Inference settings proposed or deployed; no weights.")
        for version in client.search_model_versions(f"name = '{model}'"):
            if version.tags.get(FINGERPRINT) == fingerprint:
                return str(version.version)
        folder = f"config-{fingerprint}"  # One folder a version: a run may register two.
        client.log_text(run_id, config, f"{folder}/config.json")
        source = f"{client.get_run(run_id).info.artifact_uri}/{folder}"
        tags = {FINGERPRINT: fingerprint}
        new_version = client.create_model_version(model, source, run_id, tags=tags, await_creation_for=0)
        return str(new_version.version)
