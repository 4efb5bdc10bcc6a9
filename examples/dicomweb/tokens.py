"""The issuer's key, and a token for each of three people: RUN/jwks.json and RUN/tokens.json."""
import json
import pathlib
import sys
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

run = pathlib.Path(sys.argv[1])
key = ec.generate_private_key(ec.SECP256R1())
public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
(run / "jwks.json").write_text(json.dumps({"keys": [{**public, "kid": "1", "alg": "ES256", "use": "sig"}]}))
now = int(time.time())


def token(role):
    claims = {"iss": "https://issuer.sakura.example", "aud": "https://images.sakura.example", "sub": f"{role}-1",
              "roles": [role], "iat": now, "exp": now + 3600}
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": "1", "typ": "at+jwt"})


(run / "tokens.json").write_text(json.dumps({role: token(role) for role in ["physician", "student", "accountant"]}))
