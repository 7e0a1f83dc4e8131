"""The ground floor of store and sandbox: system calls, trees that are not trusted, removing. No policy."""
