"""How a declared source proves who we are: the models of `auth`, and the schemes they stand for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from connector_pipelines.declarative import paths
from connector_pipelines.declarative.mapping import Strict
from connector_pipelines.external import auth, jwt, oauth
from connector_pipelines.external.options import HttpUrl
from connector_pipelines.external.secrets import Secret
from connector_pipelines.external.session import SessionLogin
from connector_pipelines.external.tokens import Endpoint
from connector_pipelines.external.vault import VaultKeep

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.external.messages import Response


class ApiKey(Strict):
    """A key in a header, in the query, in a cookie or in the JSON body."""

    type: Literal["api_key"] = Field(description="A key in a header, in the query, in a cookie or in the JSON body.")
    key: Secret = Field(description="The key, as {{ env.NAME }}.")
    name: str = Field(default="X-API-Key", description="What the header, parameter, cookie or field is called.")
    place: Literal["header", "query", "cookie", "body"] = Field(
        default="header", description="Where the key goes; into a body only where everything is asked with POST."
    )

    def scheme(self) -> auth.Auth:
        """What signs requests."""
        return auth.ApiKey(self.key, self.name, self.place)


class Basic(Strict):
    """User name and password."""

    type: Literal["basic"] = Field(description="User name and password (RFC 7617).")
    user: Secret = Field(description="User name, as {{ env.NAME }}.")
    password: Secret = Field(description="Password, as {{ env.NAME }}.")

    def scheme(self) -> auth.Auth:
        """What signs requests."""
        return auth.Basic(self.user, self.password)


class Bearer(Strict):
    """A token that a person issued."""

    type: Literal["bearer"] = Field(description="A fixed bearer token.")
    token: Secret = Field(description="The token, as {{ env.NAME }}.")

    def scheme(self) -> auth.Auth:
        """What signs requests."""
        return auth.Bearer(self.token)


class _Tokens(Strict):
    """Where tokens are issued, and as whom we ask."""

    token_url: HttpUrl = Field(description="Where access tokens are issued.")
    client_id: Secret | None = Field(default=None, description="Client id, as {{ env.NAME }}.")
    client_secret: Secret | None = Field(default=None, description="Client secret, as {{ env.NAME }}.")
    scopes: tuple[str, ...] = Field(default=(), description="Scopes to ask for.")
    send_as: Literal["basic", "body"] = Field(
        default="basic", description="Whether id and secret travel as HTTP Basic or in the form."
    )

    @property
    def endpoint(self) -> Endpoint:
        """The token endpoint."""
        return Endpoint(self.token_url, self.client_id, self.client_secret, self.send_as)

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            message = "client_id and client_secret belong together"
            raise ValueError(message)
        return self


class OAuth2(_Tokens):
    """OAuth 2 client credentials."""

    type: Literal["oauth2"] = Field(description="OAuth 2 client credentials (RFC 6749, 4.4).")
    client_id: Secret = Field(description="Client id, as {{ env.NAME }}.")
    client_secret: Secret = Field(description="Client secret, as {{ env.NAME }}.")
    more: dict[str, str] = Field(
        default_factory=dict, description="Other fields of the token request, such as audience. Not for secrets."
    )

    def scheme(self) -> auth.Auth:
        """What signs requests."""
        return oauth.client_credentials(self.endpoint, self.scopes, more=self.more)


class OAuth2Password(_Tokens):
    """OAuth 2 with a person's name and password."""

    type: Literal["oauth2_password"] = Field(description="OAuth 2 with name and password (RFC 6749, 4.3).")
    user: Secret = Field(description="User name, as {{ env.NAME }}.")
    password: Secret = Field(description="Password, as {{ env.NAME }}.")

    def scheme(self) -> auth.Auth:
        """What signs requests."""
        return oauth.password(self.endpoint, self.user, self.password, self.scopes)


class OAuth2Refresh(_Tokens):
    """OAuth 2 with a refresh token that a person obtained, and that may be replaced whenever it is used."""

    type: Literal["oauth2_refresh"] = Field(description="OAuth 2 with a refresh token (RFC 6749, 6).")
    refresh_token: Secret = Field(description="The token that a person obtained, as {{ env.NAME }}.")

    def scheme(self) -> auth.Auth:
        """What signs requests. A replaced token is kept under a name that follows from where it is used and what the
        first one is called, so that two sources with one authorization share it.
        """
        named = hashlib.sha256(f"{self.token_url} {self.refresh_token}".encode()).hexdigest()
        return oauth.RefreshToken(self.endpoint, self.refresh_token, VaultKeep(f"refresh_token_{named[:16]}"))


class Jwt(Strict):
    """A token that we sign: sent as it is, or exchanged for an access token as for Google's service accounts."""

    type: Literal["jwt"] = Field(description="A JSON web token that we sign (RFC 7519).")
    key: Secret = Field(description="A shared secret for HS*, a private key as PEM for others, as {{ env.NAME }}.")
    algorithm: str = Field(default="RS256", description="How it is signed, e.g. RS256, ES256 or HS256.")
    key_id: str | None = Field(default=None, description="The header's kid, where the source knows several keys.")
    claims: dict[str, str] = Field(default_factory=dict, description="What the token says: iss, aud, sub, scope.")
    life_seconds: int = Field(default=3_600, ge=60, le=86_400, description="Seconds it is good for.")
    token_url: HttpUrl | None = Field(
        default=None, description="Where it is exchanged for an access token (RFC 7523). Unset: it is sent itself."
    )

    def scheme(self) -> auth.Auth:
        """What signs requests."""
        signer = jwt.Signer(self.key, self.claims, self.algorithm, self.key_id, self.life_seconds)
        return jwt.service_account(self.token_url, signer) if self.token_url else jwt.Jwt(signer)


class Session(Strict):
    """A log-in whose session is carried by a cookie."""

    type: Literal["session"] = Field(description="Log in once, then carry the session.")
    login_url: HttpUrl = Field(description="Where to log in, as a whole URL.")
    user: Secret = Field(description="User name, as {{ env.NAME }}.")
    password: Secret = Field(description="Password, as {{ env.NAME }}.")
    user_field: str = Field(default="username", description="What the user name is called there.")
    password_field: str = Field(default="password", description="What the password is called there.")
    as_json: bool = Field(default=True, description="Whether they travel as JSON or as a form.")
    cookie: str = Field(description="The cookie that carries the session.")
    token: str | None = Field(
        default=None, description="Where the session is in the answer, as JMESPath. Unset: the answer sets the cookie."
    )
    header: str | None = Field(
        default=None, description="A header that carries the session as well, e.g. X-Session-Token."
    )

    def scheme(self) -> auth.Auth:
        """What signs requests."""
        find = None if self.token is None else _finder(self.token)
        fields = (self.user_field, self.password_field)
        name = self.header
        session = SessionLogin(
            self.login_url, self.user, self.password, self.cookie, fields, as_json=self.as_json, find=find
        )
        if name is not None:
            session = replace(session, adorn=lambda request, held: request.with_headers({name: held}))
        return session

    @field_validator("token")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            paths.in_json(value)
        return value


def _finder(place: str) -> Callable[[Response], str]:
    path = paths.in_json(place)

    def find(response: Response) -> str:
        try:
            return str(path.get(json.loads(response.body)) or "")
        except (ValueError, RecursionError):
            return ""

    return find


class OAuth1(Strict):
    """OAuth 1.0a signatures without a token."""

    type: Literal["oauth1"] = Field(description="OAuth 1.0a, two-legged.")
    key: Secret = Field(description="Consumer key, as {{ env.NAME }}.")
    secret: Secret = Field(description="Consumer secret, as {{ env.NAME }}.")
    signature_method: Literal["HMAC-SHA256", "HMAC-SHA1"] = Field(
        default="HMAC-SHA256", description="How requests are signed."
    )

    def scheme(self) -> auth.Auth:
        """What signs requests."""
        return auth.OAuth1(self.key, self.secret, self.signature_method)


Credentials = Annotated[
    ApiKey | Basic | Bearer | OAuth2 | OAuth2Password | OAuth2Refresh | OAuth1 | Jwt | Session,
    Field(discriminator="type"),
]
