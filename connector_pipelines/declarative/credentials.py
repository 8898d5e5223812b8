"""How a declared source proves who we are: the models of `auth`, and the schemes they stand for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector_pipelines.declarative.mapping import Strict
from connector_pipelines.external import auth
from connector_pipelines.external.secrets import Secret


class ApiKey(Strict):
    """A key in a header or in the query."""

    type: Literal["api_key"] = Field(description="A key in a header or in the query.")
    key: Secret = Field(description="The key, as {{ env.NAME }}.")
    name: str = Field(default="X-API-Key", description="What the header or parameter is called.")
    place: Literal["header", "query"] = Field(default="header", description="Where the key goes.")

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


class OAuth2(Strict):
    """OAuth 2 client credentials."""

    type: Literal["oauth2"] = Field(description="OAuth 2 client credentials.")
    token_url: str = Field(description="Where access tokens are issued.")
    client_id: Secret = Field(description="Client id, as {{ env.NAME }}.")
    client_secret: Secret = Field(description="Client secret, as {{ env.NAME }}.")
    scopes: tuple[str, ...] = Field(default=(), description="Scopes to ask for.")
    send_as: Literal["basic", "body"] = Field(
        default="basic", description="Whether id and secret travel as HTTP Basic or in the form."
    )

    def scheme(self) -> auth.Auth:
        """What signs requests."""
        return auth.ClientCredentials(
            self.token_url, self.client_id, self.client_secret, scopes=self.scopes, send_as=self.send_as
        )


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


Credentials = Annotated[ApiKey | Basic | Bearer | OAuth2 | OAuth1, Field(discriminator="type")]
