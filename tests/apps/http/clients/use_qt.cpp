// Qt's network access manager against the server of argv[1]; argv[2]: whom to trust. Qt looks
// OpenSSL's functions up by a handle. argv[3]: with HTTP/2, if the server has it.
#include <QCoreApplication>
#include <QFile>
#include <QNetworkAccessManager>
#include <QNetworkReply>
#include <QSslConfiguration>
#include <cstdio>

static int get(QNetworkAccessManager& manager, const QUrl& url, bool http2) {
  QNetworkRequest request(url);
  request.setAttribute(QNetworkRequest::Http2AllowedAttribute, http2);
  QNetworkReply* reply = manager.get(request);
  QEventLoop loop;
  QObject::connect(reply, &QNetworkReply::finished, &loop, &QEventLoop::quit);
  loop.exec();
  int status = reply->attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
  std::printf("%d %lld\n", status, static_cast<long long>(reply->readAll().size()));
  delete reply;
  return status;
}

int main(int count, char** words) {
  QCoreApplication application(count, words);
  if (count > 2) {
    QSslConfiguration configuration = QSslConfiguration::defaultConfiguration();
    configuration.setCaCertificates(QSslCertificate::fromPath(words[2]));
    QSslConfiguration::setDefaultConfiguration(configuration);
  }
  QNetworkAccessManager manager;
  QString base = QString::fromLocal8Bit(words[1]);
  for (const char* path : {"/small.txt", "/large.txt", "/gone"}) {
    get(manager, QUrl(base + path), count > 3);
  }
  return 0;
}
