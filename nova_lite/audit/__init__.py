"""Where database, journal, Cinder, hosts and ledger disagree about servers.

:mod:`nova_lite.audit.collect` gathers what each of them says into
:class:`nova_lite.audit.facts.Facts`; :mod:`nova_lite.audit.kinds` compares, as pure
functions of these; :mod:`nova_lite.audit.looks` does both twice and keeps what both
looks see. Nothing is changed but by :mod:`nova_lite.audit.repair`.
"""
