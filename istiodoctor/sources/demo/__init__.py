"""A broken cluster that comes with the program: something to look at without a cluster.

Each file in `manifests/` is one story: its objects as the API server would give them, and what
the logs say about it. Beside what the story needs, everything is in order, so that a scan finds
these failures and no others:

| file                    | hosts                              | what is wrong                | code    |
|-------------------------|------------------------------------|------------------------------|---------|
| xgen.yaml               | infoedu.example, www., xgen.       | Certificate beside the app   | CM001   |
| wiki.yaml               | wiki.infoedu.example               | certificate expired          | CERT001 |
| courses.yaml            | courses.infoedu.example            | certificate for an old name  | CERT003 |
| library.yaml            | library.infoedu.example            | intermediate left out        | CERT006 |
| payments.yaml           | payments.infoedu.example           | key of another certificate   | CERT008 |
| shop.yaml               | shop., sale.infoedu.example        | two Gateways claim one host  | GW002   |
| blog.yaml               | blog.infoedu.example               | Gateway named without its ns | VS001   |
| docs.yaml               | docs.infoedu.example               | Service of another namespace | VS009   |
| partners.yaml           | partners.infoedu.example           | gateway may not read Secrets | CRED011 |
| chat.yaml               | chat.infoedu.example               | TLS mode left out            | GW006   |
| exchange.yaml           | exchange.infoedu.example           | client CA misspelt           | MTLS002 |
| events.yaml             | events.infoedu.example             | redirect blocks HTTP-01      | CM005   |
| forum.yaml              | forum.infoedu.example              | renewal does not proceed     | CM016   |
| team.yaml               | photos., video.team.infoedu.example| connections are reused       | SNI003  |
| portal.yaml             | portal.infoedu.example             | no ReferenceGrant            | GWAPI001|
| tickets.yaml            | tickets.infoedu.example            | redirect loop behind a LB    | HTTP003 |
| status.yaml             | status.infoedu.example             | nothing                      |         |
| platform.yaml           |                                    | nothing: Istio, cert-manager |         |

Certificates are made when the demo is opened and every time counts back from then, so the demo
never grows old. Its private keys live for that moment only.
"""

from istiodoctor.sources.demo.source import DemoSource, open_demo

__all__ = ["DemoSource", "open_demo"]
