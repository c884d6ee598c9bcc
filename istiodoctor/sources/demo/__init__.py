"""A broken cluster that comes with the program: something to look at without a cluster.

Each file in `manifests/` is one story: its objects as the API server would give them, and what
the logs say about it. Beside what the story needs, everything is in order, so that a scan finds
these failures and no others:

| file     | hosts (of infoedu.example)   | what is wrong                        | code     |
|----------|------------------------------|--------------------------------------|----------|
| xgen     | infoedu.example, www., xgen. | the Certificate is beside the app    | CM001    |
| wiki     | wiki.                        | the certificate has expired          | CERT001  |
| courses  | courses.                     | the certificate is for an old name   | CERT003  |
| library  | library.                     | the intermediate was left out        | CERT006  |
| payments | payments.                    | the key is another certificate's     | CERT008  |
| shop     | sale.                        | another Gateway has one of its hosts | GW002    |
| blog     | blog.                        | a Gateway named without namespace    | VS001    |
| docs     | docs.                        | a Service named without namespace    | VS009    |
| partners | partners.                    | the gateway may not read Secrets     | CRED011  |
| chat     | chat.                        | the TLS mode was left out            | GW006    |
| exchange | exchange.                    | the client CA's Secret is misspelt   | MTLS004  |
| events   | events.                      | the redirect blocks HTTP-01          | CM005    |
| forum    | forum.                       | the renewal does not proceed         | CM016    |
| team     | photos.team., video.team.    | browsers reuse connections           | SNI003   |
| portal   | portal.                      | there is no ReferenceGrant           | GWAPI001 |
| tickets  | tickets.                     | redirects go round behind a LB       | HTTP003  |
| status   | status.                      | nothing                              |          |
| platform |                              | nothing: Istio and cert-manager      |          |

Certificates are made when the demo is opened and every time counts back from then, so the demo
never grows old. Its private keys live for that moment only.
"""

from istiodoctor.sources.demo.source import DemoSource, open_demo

__all__ = ["DemoSource", "open_demo"]
