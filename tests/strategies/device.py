"""What devices can be and hold."""

from libs.rdsclient.model import Features, Release

LATEST = Features.of(Release(7, 24))
