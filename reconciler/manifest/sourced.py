"""Turns what a Source declares, and references to secrets, into the core's frozen values. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from reconciler.core import model, reads
from reconciler.manifest.shapes import connection as connections
from reconciler.manifest.shapes import dataverse, project
from reconciler.manifest.shapes import source as sources
from reconciler.manifest.shapes.cluster import SparkSpec

if TYPE_CHECKING:
    from reconciler.core.diagnostics import Marks
    from reconciler.manifest.shapes import kinds
    from reconciler.manifest.shapes.cluster import ClusterMemberships


def reference(
    shape: connections.EnvKey | connections.FileKey | connections.VaultKey | project.EnvUrl | project.FileUrl,
) -> model.SecretRef:
    """Give where a secret is."""
    match shape:
        case connections.EnvKey() | project.EnvUrl():
            return model.EnvSecret(shape.env)
        case connections.FileKey() | project.FileUrl():
            return model.FileSecret(shape.file)
        case connections.VaultKey():
            return model.VaultSecret(shape.key_vault.vault, shape.key_vault.secret)
        case _:
            assert_never(shape)


def source(shape: kinds.Source, marks: Marks) -> model.Source:
    """Give a Source."""
    return model.Source(shape.metadata.name, _reads(shape.spec), shape.metadata.previous_name, marks)


def _reads(spec: sources.FilesSpec | dataverse.DataverseSpec | SparkSpec) -> reads.Reads:
    match spec:
        case sources.FilesSpec():
            return reads.Files(
                _profiles(spec.profiles), None if spec.memberships is None else _memberships(spec.memberships)
            )
        case dataverse.DataverseSpec():
            return _dataverse(spec)
        case SparkSpec():
            return _spark(spec)
        case _:
            assert_never(spec)


def _profiles(shape: sources.Profiles) -> reads.ProfileTable:
    return reads.ProfileTable(
        path=shape.path,
        id=shape.id,
        encoding=shape.encoding,
        header=shape.header,
        columns=tuple(shape.columns or ()),
        delimiter=shape.delimiter,
        types=dict(shape.types),
        version=shape.version,
    )


def _memberships(shape: sources.Memberships) -> reads.MembershipTable:
    return reads.MembershipTable(
        path=shape.path,
        id=shape.id,
        segment=shape.segment,
        encoding=shape.encoding,
        header=shape.header,
        columns=tuple(shape.columns or ()),
        delimiter=shape.delimiter,
        version=shape.version,
    )


def _dataverse(spec: dataverse.DataverseSpec) -> reads.Dataverse:
    profiles, memberships, insights = spec.profiles, spec.memberships, spec.customer_insights
    return reads.Dataverse(
        url=spec.url.rstrip("/"),
        identity=_identity(spec.credentials),
        profiles=reads.Entity(profiles.table, profiles.id, profiles.prefix),
        memberships=reads.EntityMemberships(memberships.table, memberships.id, memberships.segments, memberships.quote),
        insights=None
        if insights is None
        else reads.Insights(insights.url.rstrip("/"), insights.instance, reference(insights.subscription_key)),
        authority=spec.authority.rstrip("/"),
    )


def _identity(
    shape: dataverse.BySecret | dataverse.ByCertificate | dataverse.ByMachine | dataverse.ByFederation,
) -> reads.Identity:
    match shape:
        case dataverse.BySecret(client_secret=app):
            return reads.AppSecret(app.tenant, app.client, reference(app.secret))
        case dataverse.ByCertificate(certificate=held):
            password = None if held.password is None else reference(held.password)
            return reads.AppCertificate(held.tenant, held.client, held.file, password)
        case dataverse.ByMachine():
            return reads.ManagedIdentity(shape.managed_identity.client)
        case dataverse.ByFederation():
            return reads.Federated(shape.federated.tenant, shape.federated.client)
        case _:
            assert_never(shape)


def _spark(spec: SparkSpec) -> reads.Spark:
    profiles = spec.profiles
    return reads.Spark(
        url=spec.url,
        profiles=reads.SparkTable(profiles.id, profiles.table, profiles.path, profiles.format),
        memberships=None if spec.memberships is None else _held(spec.memberships),
        token=None if spec.token is None else reference(spec.token),
        headers={name: told if isinstance(told, str) else reference(told) for name, told in spec.headers.items()},
        timeout=spec.timeout_seconds,
    )


def _held(shape: ClusterMemberships) -> reads.SparkMemberships:
    return reads.SparkMemberships(shape.id, shape.segment, shape.table, shape.path, shape.format)
