# The report's page.css and page.js become part of the program: a report is made without any other file.
bevgrad_embed_texts(bevgrad_drawing drawing/report/html_report.h "kReportStyle=page.css" "kReportScript=page.js")
